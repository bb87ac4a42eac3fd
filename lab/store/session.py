"""The catalog as a process has it open: kept for a burst of operations, given up when wanted.

Opening and closing the file takes longer than most operations. So it stays open for a moment
after each, unless another process waits for it: nobody holds it while doing something else.
All threads share one session of a store, one at a time.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb

from lab.errors import StoreBusyError
from lab.store.turn import Turn

IDLE_S = 0.2  # stays open for this long after an operation
BETWEEN_CLIPS_S = 2.0  # and so in a process that analyses one clip after the other
_LONGEST_S = 5.0  # then it is opened anew, which also keeps the write-ahead log short
_SHARE_S = 0.05  # for which a burst goes on while another process waits
_LOOK_EVERY_S = 0.005
_LONGEST_FAREWELL_S = 1.0

Opener = Callable[[], duckdb.DuckDBPyConnection]


class Session:
    """Made by `session_of`; one for each store's folder in a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "catalog.duckdb"
        self._turn = Turn(folder)
        self._mutex = threading.RLock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._file: tuple[int, int] | None = None
        self._opened = self._used = 0.0
        self.idle_s = IDLE_S
        self._users = 0  # nested uses of the thread that has the mutex
        self._watcher: threading.Thread | None = None

    @contextlib.contextmanager
    def alone(self, wait_s: float) -> Iterator[None]:
        """No other thread of this process uses the catalog. Raises StoreBusyError."""
        if not self._mutex.acquire(timeout=wait_s):
            raise StoreBusyError(
                f"the store {self.folder} was busy in this process for {wait_s:.0f} s"
            )
        try:
            yield
        finally:
            self._mutex.release()

    @contextlib.contextmanager
    def turn(self, wait_s: float) -> Iterator[None]:
        """Nobody has the catalog open, this process included. Raises StoreError."""
        with self.alone(wait_s):
            self._close()
            self._turn.take(wait_s)
            try:
                yield
            finally:
                self._turn.give_up()

    @contextlib.contextmanager
    def use(self, wait_s: float, opener: Opener) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of the open catalog. opener: connects, once it is the turn of this process.

        Raises StoreError, and what the opener raises. After an error of DuckDB the catalog is
        closed.
        """
        with self.alone(wait_s):
            cursor = self._open(wait_s, opener).cursor()
            self._users += 1
            is_sound = False
            try:
                yield cursor
                is_sound = True
            except duckdb.Error:
                raise
            except BaseException:
                is_sound = True
                raise
            finally:
                self._users -= 1
                self._used = time.monotonic()
                with contextlib.suppress(duckdb.Error):
                    cursor.close()
                if not self._users:
                    self._keep_or_close(is_sound)

    def give_up(self) -> None:
        """Close it now, unless another thread goes on using it."""
        if not self._mutex.acquire(timeout=_LONGEST_FAREWELL_S):
            return
        try:
            if not self._users:
                self._close()
        finally:
            self._mutex.release()

    def end(self) -> None:
        """Close it, with its thread, when the process ends."""
        watcher = self._watcher
        self.give_up()
        if watcher is not None:
            watcher.join(_LONGEST_FAREWELL_S)

    def _open(self, wait_s: float, opener: Opener) -> duckdb.DuckDBPyConnection:
        if self._connection is not None and not self._users and self._file != self._file_now():
            self._close()  # the file was replaced, or deleted with its folder
        if self._connection is None:
            self._turn.take(wait_s)
            try:
                self._connection = opener()
            except BaseException:
                self._turn.give_up()
                raise
            self._opened, self._file = time.monotonic(), self._file_now()
        return self._connection

    def _file_now(self) -> tuple[int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_dev, stat.st_ino

    def _keep_or_close(self, is_sound: bool) -> None:
        lasted_s = self._used - self._opened
        is_over = lasted_s > _LONGEST_S or (lasted_s > _SHARE_S and self._is_wanted())
        if not is_sound or is_over:
            self._close()
        elif self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="catalog", daemon=True)
            self._watcher.start()

    def _is_wanted(self) -> bool:
        try:
            return self._turn.is_wanted()
        except OSError:  # the folder is gone
            return True

    def _close(self) -> None:
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        try:
            with contextlib.suppress(duckdb.Error):
                connection.close()
        finally:
            self._turn.give_up()

    def _watch(self) -> None:
        """Until it is closed: close it when nobody here uses it any more, or another wants it."""
        while True:
            time.sleep(_LOOK_EVERY_S)
            if not self._mutex.acquire(blocking=False):
                continue
            try:
                if self._connection is not None and self._is_over():
                    self._close()
                if self._connection is None:
                    self._watcher = None
                    return
            finally:
                self._mutex.release()

    def _is_over(self) -> bool:
        idle_s = time.monotonic() - self._used
        return idle_s > self.idle_s or (idle_s > _LOOK_EVERY_S and self._is_wanted())

    # forks

    def before_fork(self) -> bool:
        """Close it, so that nothing open is inherited. Returns whether the mutex was taken."""
        if not self._mutex.acquire(timeout=_LONGEST_FAREWELL_S):
            return False
        if not self._users:
            self._close()
        return True

    def after_fork(self, *, has_mutex: bool, is_child: bool) -> None:
        if not is_child:
            if has_mutex:
                self._mutex.release()
            return
        self._mutex = threading.RLock()
        self._watcher, self._users = None, 0
        if self._connection is not None:
            # In the middle of a transaction of the parent. Closing it would write to the file.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))
            self._connection = None
        self._turn.forget()


_sessions: dict[str, Session] = {}
_guard = threading.Lock()
_held_for_fork: list[tuple[Session, bool]] = []


def session_of(folder: Path) -> Session:
    """The session of a store's folder in this process."""
    with _guard:
        name = os.path.realpath(folder)
        return _sessions.setdefault(name, Session(Path(name)))


def _before_fork() -> None:
    _guard.acquire()
    _held_for_fork[:] = [(one, one.before_fork()) for one in _sessions.values()]


def _after_fork(is_child: bool) -> None:
    for one, has_mutex in _held_for_fork:
        one.after_fork(has_mutex=has_mutex, is_child=is_child)
    _held_for_fork.clear()
    _guard.release()


def _at_exit() -> None:
    for one in list(_sessions.values()):
        one.end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(False),
        after_in_child=lambda: _after_fork(True),
    )
atexit.register(_at_exit)
