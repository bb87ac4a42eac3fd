"""What was recorded of feeds, among the clips that are chosen."""

from __future__ import annotations

from collections.abc import Sequence

from lab.app.server.state import AppState

RECORDINGS_STAY = (
    "What was recorded of a feed is left out: the feed analyses it. Another rule is applied in "
    "Review, and a feed with other settings watches beside it."
)


def without_recordings(app_state: AppState, media_ids: Sequence[str]) -> list[str]:
    """Those that can be analysed by their files, in their order."""
    found = app_state.store.media_rows(media_id=list(media_ids), of_feed=True)
    recordings = {row["media_id"] for row in found}
    return [media_id for media_id in media_ids if media_id not in recordings]
