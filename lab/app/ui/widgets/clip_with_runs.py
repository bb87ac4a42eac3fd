"""A choice of a clip that has runs to compare, and those runs."""

from __future__ import annotations

from typing import Any

from lab.app.server.state import AppState
from lab.app.ui.widgets.choices import choose_one
from lab.counted import counted

TO_COMPARE = ("done", "cancelled", "interrupted")
Row = dict[str, Any]


def clip_with_runs(
    app_state: AppState,
    place: Any,
    key: str,
    *,
    say_runs: bool = False,
    phrases: bool = False,
    **widget: Any,
) -> tuple[str, list[Row]] | None:
    """The clip that is chosen, and its runs with a log, newest first; None if there are none.

    say_runs: with their number beside each clip. phrases: only runs with several labels, or to
    which prompts can be added.
    """
    store = app_state.store

    def find(text: str, limit: int) -> dict[str, str]:
        found = store.clips_of_runs(
            state=TO_COMPARE, phrases=phrases, text=text, limit=limit, has_log=True
        )
        names = store.names_of_media(row["media_id"] for row in found)
        return {
            row["media_id"]: names.get(row["media_id"], "?")
            + (f" · {counted(row['runs'], 'run')}" if say_runs else "")
            for row in found
        }

    clip = choose_one(
        place, "Clip", find, key, name=store.names_of_media, what="Parts of a path", **widget
    )
    if clip is None:
        return None
    rows = with_logs(app_state, store.runs(media_id=clip, state=TO_COMPARE, phrases=phrases))
    return (clip, rows) if rows else None


def with_logs(app_state: AppState, rows: list[Row]) -> list[Row]:
    """The runs of these whose score logs are here."""
    return [
        row
        for row in rows
        if row["log_removed_utc"] is None and app_state.store.log_folder(row["run_id"]).is_dir()
    ]
