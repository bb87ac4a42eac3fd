"""The address from which the browser loads a clip."""

from __future__ import annotations

from typing import Any

from lab.app.server.recording_routes import is_recording, recording_folder
from lab.app.server.state import AppState
from lab.errors import LabError


def clip_address(app_state: AppState, media: dict[str, Any]) -> tuple[str | None, str]:
    """The clip's address; or None, and the reason or what is being made."""
    if is_recording(app_state, media):
        return _recording_address(app_state, media)
    try:
        app_state.clip_file(media)
    except LabError as error:
        return None, str(error)
    media, problem = app_state.checked_media(media["media_id"])
    if problem is not None:
        return None, (
            f"{problem[:1].upper()}{problem[1:]}; or look for it in Library. Scores, sightings and "
            "annotations work without it."
        )
    if media["is_browser_playable"]:
        return f"/api/media/{media['media_id']}/file", ""
    if app_state.store.playable_file(media["media_id"]).exists():
        return f"/api/media/{media['media_id']}/file?copy=1", ""
    job = app_state.want_copy(media)
    if job.state == "failed":
        return None, (
            f"No copy could be made for the browser: {job.error}; it can be retried after "
            f"{app_state.retry_after_s:.0f} s by opening the page again"
        )
    share = f" {100 * job.done // job.total} %" if job.total else ""
    return None, f"Making a copy that the browser can play…{share}"


def _recording_address(app_state: AppState, media: dict[str, Any]) -> tuple[str | None, str]:
    try:
        recording_folder(app_state, media)
    except LabError as error:
        return None, f"{error}; scores, sightings and annotations work without it."
    return f"/api/recordings/{media['media_id']}", ""
