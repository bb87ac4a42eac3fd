"""Whose turn it is to open the catalog.

Whoever has it open holds `catalog.lock`. Whoever wants it next holds `catalog.next` while waiting,
so that the holder can see that it is wanted, and cannot take it again before its turn. Both are
locks of the operating system, which end with their process, however it ends.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from lab.errors import StoreBusyError
from lab.private_files import private_folder
from lab.store.damage import unusable

if sys.platform != "win32":
    import fcntl

_SHORT_PAUSE_S = 0.002  # of the one who is next
_LONGEST_PAUSE_S = 0.05
_PATIENCE_WITH_NEXT_S = 1.0  # a process that was stopped while it was next holds up nobody


class LockFile:
    """A file that one process can hold, tried without waiting."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None
        self._portable = FileLock(path, thread_local=False) if sys.platform == "win32" else None

    def try_to_take(self) -> bool:
        """Raises OSError if the file cannot be opened for writing."""
        if self._portable is not None:
            return self._try_portably()
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            # Not filelock, which takes a hundred times as long, and we try it often.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        return True

    def _try_portably(self) -> bool:
        assert self._portable is not None
        try:
            self._portable.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        if self._portable is not None:
            self._portable.release()
        elif self._handle is not None:
            handle, self._handle = self._handle, None
            # Not only closed: a child of a fork may still have it open.
            fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)

    def forget(self) -> None:
        """In the child of a fork: the lock stays with the parent."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class Turn:
    """The turn of this process with the catalog of a store's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = LockFile(folder / "catalog.lock")
        self._next = LockFile(folder / "catalog.next")
        # Beside the lock, for taking a lock file may empty it.
        self._holder = folder / "catalog.lock.holder"

    def take(self, wait_s: float) -> None:
        """Wait for the turn. Raises StoreBusyError after wait_s seconds, StoreReadOnlyError."""
        try:
            self._take(wait_s)
        except OSError as error:
            raise unusable(self.folder, error) from None

    def _take(self, wait_s: float) -> None:
        private_folder(self.folder)
        begun = time.monotonic()
        is_next = False
        try:
            while True:
                is_next = is_next or self._next.try_to_take()
                waited_s = time.monotonic() - begun
                if (is_next or waited_s > _PATIENCE_WITH_NEXT_S) and self._lock.try_to_take():
                    break
                if waited_s > wait_s:
                    raise StoreBusyError(
                        f"the store {self.folder} stayed locked for {wait_s:.0f} s by process "
                        f"{self._named_holder()}; wait for it or stop it"
                    )
                time.sleep(_SHORT_PAUSE_S if is_next else random.uniform(0.002, _LONGEST_PAUSE_S))
        finally:
            if is_next:
                self._next.release()
        try:
            self._holder.write_text(f"{os.getpid()} {_command()}")
        except BaseException:
            self._lock.release()
            raise

    def is_wanted(self) -> bool:
        """Whether another process waits for it."""
        if not self._next.try_to_take():
            return True
        self._next.release()
        return False

    def give_up(self) -> None:
        self._lock.release()

    def forget(self) -> None:
        """In the child of a fork: the turn stays with the parent."""
        self._lock.forget()
        self._next.forget()

    def _named_holder(self) -> str:
        try:
            pid, _, command = self._holder.read_text().partition(" ")
        except OSError:
            return "unknown"
        return f"{pid} ({command})"


def _command() -> str:
    """The program and its command, without options: those may hold secrets."""
    words = [
        Path(sys.argv[0] or "python").name,
        *(w for w in sys.argv[1:2] if not w.startswith("-")),
    ]
    return " ".join(words)[:200]
