"""Who works on a queue: a lock file for each, which its process holds for as long as it lives."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from lab.errors import StoreError

_WAIT_S = 10.0


class Owner:
    """One that claims jobs, by its `name`; `folder` holds the lock files of all of them."""

    def __init__(self, folder: Path) -> None:
        self.name = uuid.uuid4().hex[:12]
        self._folder = folder
        self._held: FileLock | None = None
        self._guard = threading.Lock()

    @property
    def is_shown(self) -> bool:
        return self._held is not None

    def show_alive(self) -> None:
        """Hold the lock from now on. Raises StoreError."""
        with self._guard:
            if self._held is None:
                try:
                    self._folder.mkdir(exist_ok=True)
                    lock = FileLock(self._file(self.name), thread_local=False)
                    lock.acquire(timeout=_WAIT_S)
                except (OSError, Timeout) as error:
                    raise StoreError(f"{self._folder} cannot be written: {error}") from None
                self._held = lock

    def close(self) -> None:
        with self._guard:
            if self._held is not None:
                self._held.release()
                self._file(self.name).unlink(missing_ok=True)
                self._held = None

    def is_alive(self, name: str) -> bool:
        """Whether the process of another owner still runs; the file of one that ended goes."""
        path = self._file(name)
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0):
                path.unlink(missing_ok=True)
        except (OSError, Timeout):
            return True
        return False

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.lock"
