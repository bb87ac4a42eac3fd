"""The file of an outbox: its tables, and what is done about a damaged one."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from lab.errors import StoreDamagedError, StoreError
from lab.private_files import private_folder
from lab.sqlite_file import (
    check_version,
    move_sqlite,
    open_sqlite,
    quick_check,
    sqlite_errors,
    stamp_of_now,
    transaction,
)

T = TypeVar("T")
_log = logging.getLogger(__name__)
_VERSION = 1
_NO_TABLE = "no such"
# Larger files take seconds to check: there, damage is found when it is read.
_MOST_CHECKED_BYTES = 64 << 20
_TABLES = (
    """CREATE TABLE items (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        event_id TEXT NOT NULL UNIQUE,
        sighting_id TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        reason TEXT,
        event TEXT NOT NULL,
        picture_jpeg BLOB,
        plain_jpeg BLOB
    )""",
    "CREATE INDEX sizes ON items (size_bytes)",
    "CREATE TABLE known (number INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE)",
    "CREATE TABLE totals (name TEXT PRIMARY KEY, value REAL NOT NULL)",
)
# What makes of it an outbox that can be read.
_USED = (
    "SELECT position, event_id, sighting_id, size_bytes, tries, reason, event, picture_jpeg, "
    "plain_jpeg FROM items LIMIT 1",
    "SELECT number, event_id FROM known LIMIT 1",
    "SELECT name, value FROM totals LIMIT 1",
)


class OutboxFile:
    """An SQLite file that one process has open; any of its threads may use it.

    A damaged one is set aside under another name, and begun anew. note: what was done about it,
    None if nothing was. Raises StoreError if the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.note: str | None = None
        self._guard = threading.RLock()
        try:
            private_folder(path.parent)
            self._db = self._opened()
        except OSError as error:
            raise StoreError(
                f"the outbox {path} cannot be written: {error.strerror or error}; "
                "make its folder writable"
            ) from None

    def close(self) -> None:
        with self._guard:
            self._db.close()

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction; all of it happens, or nothing. work: is called again after damage."""
        with self._guard:
            try:
                return self._transaction(work)
            except StoreDamagedError as why:
                self._db.close()
                self._set_aside(why)
                self._db = self._opened()
                return self._transaction(work)

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._errors(), transaction(self._db):
            return work(self._db)

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except StoreDamagedError as why:
            self._set_aside(why)
        return self._connected()

    def _connected(self) -> sqlite3.Connection:
        with self._errors():
            return open_sqlite(self.path, self._prepare)

    def _prepare(self, db: sqlite3.Connection) -> None:
        version = check_version(db, _VERSION, self._what)
        db.execute("PRAGMA auto_vacuum = FULL")
        db.execute("PRAGMA journal_mode = WAL")
        # What is put survives a loss of power, too: nothing else remembers that it was to be told.
        db.execute("PRAGMA synchronous = FULL")
        if not version:
            with transaction(db):
                for text in _TABLES:
                    db.execute(text)
                db.execute(f"PRAGMA user_version = {_VERSION}")
        elif self.path.stat().st_size <= _MOST_CHECKED_BYTES and (why := quick_check(db)):
            raise StoreDamagedError(f"{self._what} is damaged ({why})")
        for query in _USED:
            db.execute(query).fetchall()

    def _set_aside(self, why: StoreDamagedError) -> None:
        aside = self.path.with_name(f"{self.path.stem}.damaged-{stamp_of_now()}{self.path.suffix}")
        try:
            move_sqlite(self.path, aside)
        except OSError as error:
            raise StoreError(f"{why}; and cannot be moved: {error.strerror}") from None
        self.note = (
            f"{str(why).replace(' is damaged', ' was damaged', 1)} and is now {aside.name}; "
            "what was waiting in it is not delivered, the sightings are in the store"
        )
        _log.error("%s", self.note)

    @property
    def _what(self) -> str:
        return f"the outbox {self.path}"

    def _errors(self) -> AbstractContextManager[None]:
        return sqlite_errors(
            self._what,
            "cannot be written",
            "make room, and see that it may be written",
            is_damage=lambda error: _NO_TABLE in str(error),
        )
