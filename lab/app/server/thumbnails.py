"""Pictures of moments: requests that arrive together become one job of the media worker."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from lab.app.server.state import AppState

_GATHER_S = 0.08
_MAX_WAIT_S = 60.0


class Pictures:
    """Returns the file of a picture, waiting for a worker where there is none yet."""

    def __init__(self, app_state: AppState) -> None:
        self._app_state = app_state
        self._waiting: dict[str, set[int]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[tuple[str, int], tuple[float, str]] = {}

    async def get(self, media_id: str, pts_us: int) -> Path | str:
        """The file, or the reason why there is none; a failure is retried after a pause."""
        file = self._app_state.store.pictures_folder(media_id) / f"{pts_us}.jpg"
        if file.exists():
            return file
        failed_s, reason = self._failed.get((media_id, pts_us), (-1e9, ""))
        if time.monotonic() - failed_s < self._app_state.retry_after_s:
            return reason
        self._waiting.setdefault(media_id, set()).add(pts_us)
        task = self._tasks.get(media_id)
        if task is None or task.done():
            task = self._tasks[media_id] = asyncio.create_task(self._make(media_id))
        await asyncio.wait({task}, timeout=_MAX_WAIT_S)
        if file.exists():
            return file
        return self._failed.get((media_id, pts_us), (0.0, "the picture is still being made"))[1]

    async def _make(self, media_id: str) -> None:
        while media_id in self._waiting:
            await asyncio.sleep(_GATHER_S)
            times = sorted(self._waiting.pop(media_id))
            media = await asyncio.to_thread(self._app_state.media, media_id)
            path = str(self._app_state.clip_file(media))
            job = self._app_state.engine.submit(
                "pictures",
                f"pictures of {Path(path).name}",
                store=str(self._app_state.store.folder),
                media_id=media_id,
                path=path,
                pts_us=times,
            )
            await asyncio.to_thread(job.finished.wait, _MAX_WAIT_S)
            folder = self._app_state.store.pictures_folder(media_id)
            for pts_us in times:
                self._failed.pop((media_id, pts_us), None)
                if job.finished.is_set() and not (folder / f"{pts_us}.jpg").exists():
                    reason = job.error or "no picture could be decoded at that moment"
                    self._failed[media_id, pts_us] = (time.monotonic(), reason)
