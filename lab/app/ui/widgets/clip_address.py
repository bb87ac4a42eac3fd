"""Where the browser gets a clip from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.app.server.state import AppState
from lab.runs.run import Run


def clip_address(app_state: AppState, media: dict[str, Any]) -> tuple[str | None, str]:
    """Where the browser gets the clip, or None and what there is to wait for."""
    if not Path(media["path"]).is_file():
        return None, "The video is not at hand; scores, sightings and annotations work without it."
    if media["is_browser_playable"]:
        return f"/api/media/{media['media_id']}/file", ""
    if app_state.store.playable_file(media["media_id"]).exists():
        return f"/api/media/{media['media_id']}/file?copy=1", ""
    jobs = [
        j
        for j in app_state.engine.jobs()
        if j.kind == "playable" and j.payload["media_id"] == media["media_id"]
    ]
    if not jobs:
        jobs = [
            app_state.engine.submit(
                "playable",
                f"copy of {media['name']} for the browser",
                media_id=media["media_id"],
                path=media["path"],
                store=str(app_state.store.folder),
            )
        ]
    if jobs[0].state == "failed":
        return None, f"No copy could be made for the browser: {jobs[0].error}"
    share = f" {100 * jobs[0].done // jobs[0].total} %" if jobs[0].total else ""
    return None, f"Making a copy that the browser can play…{share}"


def is_waiting(app_state: AppState, run: Run) -> bool:
    """Whether something the player shows is still being made."""
    media_id = run.media["media_id"]
    return run.state == "running" or any(
        j.is_active and j.kind == "playable" and j.payload["media_id"] == media_id
        for j in app_state.engine.jobs()
    )
