"""The address from which the browser loads a clip, and whether it will be another soon."""

from __future__ import annotations

from lab.app.server.clip_address import clip_address
from lab.app.server.state import AppState
from lab.runs.run import Run

__all__ = ["clip_address", "is_waiting"]


def is_waiting(app_state: AppState, run: Run) -> bool:
    """Whether the run or the clip's copy for the browser is still being made."""
    media_id = run.media["media_id"]
    return run.state == "running" or any(
        j.is_active and j.kind == "playable" and j.payload["media_id"] == media_id
        for j in app_state.engine.jobs()
    )
