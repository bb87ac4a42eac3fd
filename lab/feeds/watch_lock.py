"""The lock that one process holds while it watches the feeds of a store."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from lab.errors import StoreBusyError, StoreError
from lab.feeds.status import feeds_folder, last_status, watch_lock
from lab.private_files import private_folder

_PATIENCE_S = 2.0


class WatchLock:
    """store_folder: whose feeds are watched."""

    def __init__(self, store_folder: Path) -> None:
        self._store_folder = store_folder
        self._held: FileLock | None = None

    @property
    def is_held(self) -> bool:
        return self._held is not None

    def take(self) -> None:
        """Raises StoreBusyError where another process has it, StoreError if it cannot be had."""
        folder = feeds_folder(self._store_folder)
        try:
            private_folder(self._store_folder)
            private_folder(folder)
            lock = watch_lock(self._store_folder)
            lock.acquire(timeout=_PATIENCE_S)
        except Timeout:
            known = (last_status(self._store_folder) or {}).get("pid")
            raise StoreBusyError(
                f"the feeds of {self._store_folder} are watched by another process"
                + (f" (pid {known})" if known else "")
                + "; end it, or give another store"
            ) from None
        except OSError as error:
            raise StoreError(f"{folder} cannot be used: {error.strerror}") from None
        self._held = lock

    def release(self) -> None:
        if self._held is not None:
            self._held.release()
            self._held = None
