"""The file of the queue: opening it, its form, damage, and transactions."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock

from lab.errors import StoreDamagedError, StoreError
from lab.jobs.queue.queued_job import COLUMNS
from lab.sqlite_file import (
    BUSY_S,
    check_version,
    move_sqlite,
    open_sqlite,
    quick_check,
    sqlite_errors,
    stamp_of_now,
    transaction,
    version_of,
)

FILE_NAME = "jobs.sqlite"
_VERSION = 5
_WAYS_OUT = {
    "SQLITE_READONLY": "make it and its folder writable, or name another store with --store",
    "SQLITE_CANTOPEN": "it must be a file, in a folder, that you may read and write",
}
_START_AGAIN = "; no run is lost: start the same again"
_ROOM = "make room, and see that the disk can be written"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS work (work_id TEXT PRIMARY KEY, what TEXT NOT NULL, added REAL NOT NULL);
CREATE TABLE IF NOT EXISTS flags (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    job_id INTEGER PRIMARY KEY,
    work_id TEXT NOT NULL REFERENCES work,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    priority INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until REAL,
    cancel INTEGER NOT NULL DEFAULT 0,
    media_id TEXT,
    size_bytes INTEGER,
    mtime_ns INTEGER,
    run_ids TEXT NOT NULL DEFAULT '[]',
    was_there INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    seconds REAL,
    done INTEGER,
    total INTEGER,
    changed REAL NOT NULL,
    UNIQUE (work_id, path)
);
CREATE INDEX IF NOT EXISTS next_job ON jobs (state, priority DESC, job_id);
CREATE INDEX IF NOT EXISTS of_media ON jobs (media_id);
"""
_SINCE_2 = """
ALTER TABLE jobs ADD COLUMN clip_id TEXT;
ALTER TABLE jobs ADD COLUMN rate_hz REAL;
ALTER TABLE jobs ADD COLUMN added REAL;
"""
_SINCE_3 = """
CREATE TABLE batches (work_id TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (work_id, owner));
"""
# Who asked for a job, and by which key: the same key gives the same job. Both go with the job.
_SINCE_4 = """
ALTER TABLE jobs ADD COLUMN asked_by TEXT;
CREATE TABLE asked (asked_by TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL,
    job_id INTEGER NOT NULL, PRIMARY KEY (asked_by, key));
"""
# No id is given twice, also where the last job was taken off the list: clients remember them.
_SINCE_5 = """
CREATE TABLE jobs_5 (
    job_id INTEGER PRIMARY KEY AUTOINCREMENT,
    work_id TEXT NOT NULL REFERENCES work,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    priority INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until REAL,
    cancel INTEGER NOT NULL DEFAULT 0,
    media_id TEXT,
    size_bytes INTEGER,
    mtime_ns INTEGER,
    run_ids TEXT NOT NULL DEFAULT '[]',
    was_there INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    seconds REAL,
    done INTEGER,
    total INTEGER,
    changed REAL NOT NULL,
    clip_id TEXT,
    rate_hz REAL,
    added REAL,
    asked_by TEXT,
    UNIQUE (work_id, path)
);
INSERT INTO jobs_5 SELECT * FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_5 RENAME TO jobs;
CREATE INDEX next_job ON jobs (state, priority DESC, job_id);
CREATE INDEX of_media ON jobs (media_id);
"""
# What makes of it a queue that can be read: all columns, and JSON where it belongs.
_ODD_ROWS = f"""
SELECT CASE
    WHEN EXISTS (SELECT 1 FROM work WHERE NOT json_valid(what)) THEN 'a work is no JSON'
    WHEN EXISTS (SELECT {", ".join(COLUMNS)} FROM jobs WHERE NOT json_valid(run_ids))
        THEN 'the runs of a job are no JSON'
    WHEN EXISTS (SELECT name, value FROM flags WHERE name IS NULL) THEN 'a flag has no name'
    WHEN EXISTS (SELECT work_id, owner FROM batches WHERE owner IS NULL) THEN 'an owner has no name'
    WHEN EXISTS (SELECT key FROM asked WHERE digest IS NULL) THEN 'a key has no digest'
END
"""
_STEPS = (_SCHEMA, _SINCE_2, _SINCE_3, _SINCE_4, _SINCE_5)


class QueueFile:
    """The file in the folder of a store, which it makes; any thread may use it.

    note: what was done about a damaged file, None if nothing was. Raises StoreError if the file
    cannot be used, StoreBusyError if others keep it for too long, StoreDamagedError if it is found
    damaged after it was opened.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.note: str | None = None
        self._guard = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = self._opened()
        except OSError as error:
            raise StoreError(
                f"the queue {self.path} cannot be written: {error.strerror or error}; "
                "name another folder with --store"
            ) from None

    def close(self) -> None:
        with self._guard:
            self._db.close()

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except StoreDamagedError:
            with FileLock(self.path.with_name("jobs.lock"), timeout=BUSY_S):
                try:
                    return self._connected()  # somebody else was quicker
                except StoreDamagedError:
                    self.note = self._set_aside()
                    return self._connected()

    def _connected(self) -> sqlite3.Connection:
        with self._errors():
            return open_sqlite(self.path, self._prepare)

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.row_factory = sqlite3.Row
        version = check_version(db, _VERSION, self._what)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if version and (why := quick_check(db)):
            raise StoreDamagedError(f"{self._what} is damaged: {why}")
        if version < _VERSION:
            _bring_up(db)
        self._check_tables(db)
        db.execute("CREATE TEMP TABLE scope (job_id INTEGER PRIMARY KEY)")

    def _check_tables(self, db: sqlite3.Connection) -> None:
        """Another program may have changed what is in them."""
        try:
            odd = db.execute(_ODD_ROWS).fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_ERROR":
                raise
            odd = str(error)
        if odd:
            raise StoreDamagedError(f"{self._what} is damaged: {odd}")

    def _set_aside(self) -> str:
        """Move a damaged file away; what was done about it, in words."""
        folder = self.path.parent / "damaged"
        folder.mkdir(exist_ok=True)
        name = f"jobs-{stamp_of_now()}.sqlite"
        move_sqlite(self.path, folder / name)
        return (
            f"the queue {self.path} was damaged and is now {folder / name}; no run is lost: start "
            "the same again, and what is in the store is not computed again"
        )

    @property
    def _what(self) -> str:
        return f"the queue {self.path}"

    def _errors(self) -> AbstractContextManager[None]:
        return sqlite_errors(
            self._what,
            "cannot be used",
            _ROOM,
            after_damage=_START_AGAIN,
            ways_out=_WAYS_OUT,
        )

    @contextlib.contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._guard, self._errors():
            yield self._db

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which nobody else writes in."""
        with self._read() as db, transaction(db):
            yield db


def _bring_up(db: sqlite3.Connection) -> None:
    """Make the tables, or give those of an older version what they lack."""
    with transaction(db):
        version = version_of(db)  # another process may have been quicker
        for text in _STEPS[version:]:
            for one in filter(str.strip, text.split(";")):
                db.execute(one)
        db.execute(f"PRAGMA user_version = {_VERSION}")
