"""The catalog file: opened for one transaction at a time, by one process at a time.

DuckDB gives a database file to one process, readers included, so nobody holds it: each
operation takes a mutex of this process, then a lock file, connects, does one transaction, and
closes. Nothing but DuckDB ever opens the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
from filelock import BaseFileLock, FileLock, Timeout

from lab.errors import StoreError
from lab.private_files import private_folder
from lab.store.migrations import migrate

_mutexes: dict[str, threading.RLock] = {}
_mutexes_guard = threading.Lock()
_LONGEST_PAUSE_S = 0.05


def _command() -> str:
    """The program and its command, without options: those may hold secrets."""
    words = [
        Path(sys.argv[0] or "python").name,
        *(w for w in sys.argv[1:2] if not w.startswith("-")),
    ]
    return " ".join(words)[:200]


class Catalog:
    """The tables of a store.

    folder: of the store; created by the first transaction. wait_s: how long to wait for others.
    """

    def __init__(self, folder: Path, wait_s: float = 10.0) -> None:
        self.folder = folder
        self.path = folder / "catalog.duckdb"
        self._wait_s = wait_s
        self._migrated = False
        self._is_private = False
        with _mutexes_guard:
            self._mutex = _mutexes.setdefault(str(folder.absolute()), threading.RLock())

    @property
    def exists(self) -> bool:
        return self.path.exists()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection inside a transaction, committed at the end, rolled back on an error.

        Raises StoreError if the store cannot be written, is newer, or stays locked.
        """
        with self._locked():
            connection = self._connect()
            try:
                if not self._migrated:
                    migrate(connection, self.path)
                    self._migrated = True
                connection.begin()
                try:
                    yield connection
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()
            except duckdb.OperationalError as error:  # no space, no permission, a broken disk
                raise StoreError(
                    f"the store {self.folder} cannot be written: {_first_line(error)}"
                ) from None
            finally:
                connection.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A transaction for `rows`; None where there is no catalog, which is not created then.

        Raises as `transaction` does.
        """
        if not self.exists:
            yield None
            return
        with self.transaction() as db:
            yield db

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of one query, by column name; none where there is no catalog."""
        with self.reading() as db:
            return rows(db, sql, values)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._mutex.acquire(timeout=self._wait_s):
            raise StoreError(
                f"the store {self.folder} was busy in this process for {self._wait_s:.0f} s"
            )
        try:
            lock = self._file_lock()
            try:
                try:
                    self._holder.write_text(f"{os.getpid()} {_command()}")
                except OSError as error:
                    raise StoreError(cannot_write(self.folder, error)) from None
                yield
            finally:
                lock.release()
        finally:
            self._mutex.release()

    @property
    def _holder(self) -> Path:
        # Beside the lock: taking a lock file empties it.
        return self.folder / "catalog.lock.holder"

    def _file_lock(self) -> BaseFileLock:
        try:
            self._make_private()
            lock = FileLock(self.folder / "catalog.lock")
            deadline = time.monotonic() + self._wait_s
            while True:
                try:
                    lock.acquire(timeout=0)
                    return lock
                except Timeout:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(random.uniform(0.002, _LONGEST_PAUSE_S))
        except Timeout:
            raise StoreError(
                f"the store {self.folder} stayed locked for {self._wait_s:.0f} s by process "
                f"{self._lock_holder()}; wait for it or stop it"
            ) from None
        except OSError as error:
            raise StoreError(cannot_write(self.folder, error)) from None

    def _make_private(self) -> None:
        if not self._is_private:
            private_folder(self.folder)
            self._is_private = True

    def _lock_holder(self) -> str:
        try:
            pid, _, command = self._holder.read_text().partition(" ")
        except OSError:
            return "unknown"
        return f"{pid} ({command})"

    def _connect(self) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self._wait_s
        while True:
            try:
                return duckdb.connect(str(self.path))
            except duckdb.Error as error:
                text = _first_line(error)
                if "lock" not in text.lower():
                    raise StoreError(f"the catalog {self.path} cannot be opened: {text}") from None
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"the catalog stayed locked for {self._wait_s:.0f} s by another program; "
                        f"close that one: {text}"
                    ) from None
            time.sleep(random.uniform(0.005, _LONGEST_PAUSE_S))


def rows(
    db: duckdb.DuckDBPyConnection | None, sql: str, values: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """The rows of a query, by column name; none for None, which `Catalog.reading` may give."""
    if db is None:
        return []
    result = db.execute(sql, list(values))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def cannot_write(folder: Path, error: OSError) -> str:
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (
            f"the store {folder} cannot be written ({error.strerror}); choose another with --store"
        )
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"the store {folder} is a file, not a folder; choose another with --store"
    if error.errno == errno.ENOSPC:
        return f"no space left on the disk of {folder}; free some, then resume the run"
    return f"the store {folder} cannot be used: {error.strerror or error}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
