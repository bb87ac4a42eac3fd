"""Pictures of moments: requests that come together become one job of the media worker."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lab.app.server.state import AppState

_GATHER_S = 0.08
_MAX_WAIT_S = 60.0


class Pictures:
    """Gives the file of a picture, waiting for a worker where there is none yet."""

    def __init__(self, app_state: AppState) -> None:
        self._desk = app_state
        self._waiting: dict[str, set[int]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def get(self, media_id: str, pts_us: int) -> Path | None:
        file = self._desk.store.pictures_folder(media_id) / f"{pts_us}.jpg"
        if file.exists():
            return file
        self._waiting.setdefault(media_id, set()).add(pts_us)
        task = self._tasks.get(media_id)
        if task is None or task.done():
            task = self._tasks[media_id] = asyncio.create_task(self._make(media_id))
        await asyncio.wait({task}, timeout=_MAX_WAIT_S)
        return file if file.exists() else None

    async def _make(self, media_id: str) -> None:
        while media_id in self._waiting:
            await asyncio.sleep(_GATHER_S)
            times = sorted(self._waiting.pop(media_id))
            path = (await asyncio.to_thread(self._desk.media, media_id))["path"]
            job = self._desk.engine.submit(
                "pictures",
                f"pictures of {Path(path).name}",
                store=str(self._desk.store.folder),
                media_id=media_id,
                path=path,
                pts_us=times,
            )
            await asyncio.to_thread(job.finished.wait, _MAX_WAIT_S)
