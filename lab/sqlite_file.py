"""Opening an SQLite file: one connection for all threads, its errors in words, what is damaged."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from lab.errors import StoreBusyError, StoreDamagedError, StoreError

T = TypeVar("T")
BUSY_S = 10.0
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")


def open_sqlite(path: Path, prepare: Callable[[sqlite3.Connection], object]) -> sqlite3.Connection:
    """A connection for any thread, whose transactions begin where `transaction` says so.

    It waits 10 s for other programs. prepare: is given it first; it is closed where that raises.
    Raises sqlite3.Error; see `sqlite_errors`.
    """
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def version_of(db: sqlite3.Connection) -> int:
    """The number that the program has given the form of the file; 0 for a new one."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def check_version(db: sqlite3.Connection, known: int, what: str) -> int:
    """The version of the file. Raises StoreError where it is newer than what is known here."""
    version = version_of(db)
    if version > known:
        raise StoreError(
            f"{what} is of a newer version ({version}, here {known}); use that version of the lab"
        )
    return version


def quick_check(db: sqlite3.Connection) -> str | None:
    """What SQLite finds wrong with the file; None for nothing."""
    found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    return None if found == "ok" else found


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it happens, or nothing, and nobody else writes meanwhile."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def sqlite_errors(
    what: str,
    cannot: str,
    way_out: str,
    *,
    after_damage: str = "",
    ways_out: Mapping[str, str] | None = None,
    is_damage: Callable[[sqlite3.Error], bool] = lambda error: False,
) -> Iterator[None]:
    """Raise SQLite's errors as StoreDamagedError, StoreBusyError or StoreError, in one line.

    what: the file, such as `the queue PATH`. cannot: what cannot be done, and way_out: what to do
    then; after_damage: the same where it is damaged; ways_out: by the beginning of SQLite's name of
    an error. is_damage: what else is damage.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "") or ""
        if code.startswith(_DAMAGED) or is_damage(error):
            raise StoreDamagedError(f"{what} is damaged ({error}){after_damage}") from None
        if code.startswith(_BUSY):
            raise StoreBusyError(f"{what} is kept by another program; try again") from None
        known = (ways_out or {}).items()
        do = next((one for begin, one in known if code.startswith(begin)), way_out)
        raise StoreError(f"{what} {cannot}: {error}; {do}") from None


def move_sqlite(path: Path, to: Path) -> None:
    """Rename a file that nobody has open, with what SQLite keeps beside it. Raises OSError."""
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{end}", f"{to}{end}")


def stamp_of_now() -> str:
    """For the name of a damaged file: the local time, and what no other one has."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
