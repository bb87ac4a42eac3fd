"""The durable queue of a store, `jobs.sqlite`: which clips are to be analysed, and how each ended.

A job is claimed by one owner, who renews its lease while it works. A job whose owner is gone, or
has not renewed it, waits again. Every change is one transaction, so that whoever is killed loses
nothing. What was found is in the catalog and the logs: a queue that is lost loses no run.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from lab.errors import NotFoundError, SettingError, StoreBusyError, StoreDamagedError, StoreError

State = Literal["waiting", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = ("waiting", "running", "done", "failed", "cancelled")
RETRY_S = (2.0, 4.0, 8.0)  # after what may pass, such as a worker that was killed
LEASE_S = 30.0
FILE_NAME = "jobs.sqlite"
_VERSION = 1
_BUSY_S = 10.0
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_WAITS = "state = CASE WHEN cancel THEN 'cancelled' ELSE 'waiting' END"
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")

_SCHEMA = f"""
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
PRAGMA user_version = {_VERSION};
"""


@dataclass(frozen=True)
class Stamp:
    """What tells that a file was changed; None where there is no file to look at."""

    size_bytes: int | None = None
    mtime_ns: int | None = None

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Stamp:
        """Raises OSError."""
        found = os.stat(path)
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True)
class QueuedJob:
    """One clip, to be analysed as its work says.

    tries: how often it failed of something that may pass. claims: how often it was begun.
    not_before: seconds since 1970. done, total: samples. was_there: its runs were in the store
    already. seconds: what it took.
    """

    job_id: int
    work_id: str
    path: str
    state: State
    priority: int
    tries: int
    claims: int
    not_before: float
    media_id: str | None
    stamp: Stamp
    run_ids: tuple[str, ...]
    was_there: bool
    reason: str | None
    seconds: float | None
    done: int | None
    total: int | None


class JobQueue:
    """The queue of the store in `folder`; it makes the folder. A context manager.

    note: what was done about a damaged file, None if nothing was. owner: under which this object
    claims jobs; it holds them until it is closed or its process ends. May be used by any thread.

    Raises StoreError if the file cannot be used, StoreBusyError if others keep it for too long,
    StoreDamagedError if it is found damaged after it was opened.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = folder / FILE_NAME
        self.note: str | None = None
        self.owner = uuid.uuid4().hex[:12]
        self._clock = clock
        self._guard = threading.RLock()
        self._owners = folder / "batches"
        self._alive: FileLock | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = self._opened()
        except OSError as error:
            raise StoreError(
                f"the queue {self.path} cannot be written: {error.strerror or error}; "
                "name another folder with --store"
            ) from None

    def __enter__(self) -> JobQueue:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """What it still holds waits again."""
        with contextlib.suppress(StoreError):
            if self._alive is not None:
                self.release_all()
        with self._guard:
            self._db.close()
        if self._alive is not None:
            self._alive.release()
            self._lock_file(self.owner).unlink(missing_ok=True)
            self._alive = None

    # Adding

    def add(
        self,
        work_id: str,
        what: Mapping[str, Any],
        clips: Iterable[tuple[str, Stamp]],
        *,
        priority: int = 0,
    ) -> None:
        """Queue clips, and make them the `scope` of this object.

        One that is queued for this work already stays what it is; one that failed or was
        cancelled, or whose file has changed since it was done, waits again.
        """
        now = self._clock()
        rows = [(work_id, path, priority, s.size_bytes, s.mtime_ns, now) for path, s in clips]
        with self._change() as db:
            db.execute("INSERT OR IGNORE INTO work VALUES (?, ?, ?)",
                       [work_id, json.dumps(what, sort_keys=True), now])  # fmt: skip
            db.executemany(
                """INSERT INTO jobs (work_id, path, state, priority, size_bytes, mtime_ns, changed)
                VALUES (?, ?, 'waiting', ?, ?, ?, ?) ON CONFLICT (work_id, path) DO UPDATE SET
                state = CASE WHEN state IN ('failed', 'cancelled') OR state = 'done' AND
                    (size_bytes IS NOT excluded.size_bytes OR mtime_ns IS NOT excluded.mtime_ns)
                    THEN 'waiting' ELSE state END,
                was_there = CASE state WHEN 'done' THEN 1 ELSE was_there END,
                priority = excluded.priority, size_bytes = excluded.size_bytes,
                mtime_ns = excluded.mtime_ns, changed = excluded.changed""",
                rows,
            )
            db.executemany(
                "INSERT OR IGNORE INTO scope SELECT job_id FROM jobs WHERE work_id = ? "
                "AND path = ?",
                [row[:2] for row in rows],
            )
            db.execute(
                """UPDATE jobs SET tries = 0, not_before = 0, cancel = 0, was_there = 0,
                reason = NULL, seconds = NULL, done = NULL, total = NULL
                WHERE state = 'waiting' AND job_id IN scope"""
            )

    def take_up(self, work_id: str) -> None:
        """Make the jobs of a work that have not ended the scope."""
        with self._change() as db:
            db.execute(
                "INSERT OR IGNORE INTO scope SELECT job_id FROM jobs WHERE work_id = ? "
                "AND state IN ('waiting', 'running')",
                [work_id],
            )

    def redo_unless(self, known: set[str]) -> None:
        """Jobs of the scope that are done wait again, unless all their runs are known."""
        missing = [
            [one.job_id]
            for one in self.jobs("state = 'done' AND job_id IN scope")
            if not one.run_ids or not known.issuperset(one.run_ids)
        ]
        with self._change() as db:
            db.executemany(
                "UPDATE jobs SET state = 'waiting', was_there = 0, reason = NULL WHERE job_id = ?",
                missing,
            )

    # Working

    def claim(self) -> QueuedJob | None:
        """The next job of the scope, which this object now holds; None if none is due."""
        self._show_alive()
        now = self._clock()
        with self._change() as db:
            if self._is_paused(db):
                return None
            row = db.execute(
                """UPDATE jobs SET state = 'running', owner = ?, lease_until = ?, media_id = NULL,
                claims = claims + 1, done = NULL, total = NULL, changed = ?
                WHERE job_id = (SELECT job_id FROM jobs WHERE state = 'waiting'
                AND not_before <= ? AND job_id IN scope
                ORDER BY priority DESC, job_id LIMIT 1) RETURNING *""",
                [self.owner, now + LEASE_S, now, now],
            ).fetchone()
        return None if row is None else _job(row)

    def take_media(self, job_id: int, media_id: str) -> bool:
        """Whether nobody else analyses the same video now, under another name."""
        with self._change() as db:
            done = db.execute(
                """UPDATE jobs SET media_id = ? WHERE job_id = ? AND owner = ? AND NOT EXISTS
                (SELECT 1 FROM jobs WHERE media_id = ? AND state = 'running' AND job_id <> ?)""",
                [media_id, job_id, self.owner, media_id, job_id],
            )
            return done.rowcount == 1

    def same_media(self, job_id: int, media_id: str) -> str | None:
        """The path of another job of the scope that is done with the same video."""
        with self._read() as db:
            row = db.execute(
                "SELECT path FROM jobs WHERE media_id = ? AND state = 'done' AND job_id <> ? "
                "AND job_id IN scope ORDER BY was_there, job_id LIMIT 1",
                [media_id, job_id],
            ).fetchone()
        return None if row is None else str(row["path"])

    def finish(
        self,
        job_id: int,
        state: Literal["done", "failed", "cancelled"],
        *,
        run_ids: Sequence[str] = (),
        was_there: bool = False,
        reason: str | None = None,
        seconds: float | None = None,
        stamp: Stamp | None = None,
    ) -> bool:
        """End a job; False if it is not held any more, and nothing was changed."""
        seen = stamp or Stamp()
        return self._let_go(
            job_id,
            """state = ?, run_ids = ?, was_there = ?, reason = ?, seconds = ?, done = NULL,
            total = NULL, size_bytes = coalesce(?, size_bytes), mtime_ns = coalesce(?, mtime_ns)""",
            [state, json.dumps(list(run_ids)), was_there, reason, seconds,
             seen.size_bytes, seen.mtime_ns],
        )  # fmt: skip

    def put_back(self, job: QueuedJob, *, after_s: float = 0.0, stamp: Stamp | None = None) -> bool:
        """Let it wait again; that is no failure."""
        seen = stamp or job.stamp
        return self._let_go(
            job.job_id,
            f"{_WAITS}, not_before = ?, size_bytes = ?, mtime_ns = ?",
            [self._clock() + after_s, seen.size_bytes, seen.mtime_ns],
        )

    def fail_for_now(
        self, job: QueuedJob, reason: str, seconds: float, stamp: Stamp | None = None
    ) -> bool:
        """Something that may pass: it waits 2, 4, then 8 s, and fails the fourth time."""
        if job.tries >= len(RETRY_S):
            words = f"{reason} (tried {job.tries + 1} times)"
            return self.finish(job.job_id, "failed", reason=words, seconds=seconds)
        seen = stamp or job.stamp
        return self._let_go(
            job.job_id,
            f"{_WAITS}, tries = tries + 1, not_before = ?, reason = ?, size_bytes = ?, "
            "mtime_ns = ?",
            [self._clock() + RETRY_S[job.tries], reason, seen.size_bytes, seen.mtime_ns],
        )

    def beat(self, progress: Mapping[int, tuple[int, int | None]]) -> tuple[set[int], set[int]]:
        """Renew the leases, keep how far each job is, and let jobs of the dead wait again.

        progress: of the jobs that are held: samples done, and of how many. Returns the ids of
        those that are held no more, and of those that somebody asked to cancel.
        """
        until = self._clock() + LEASE_S
        with self._change() as db:
            for job_id, (done, total) in progress.items():
                db.execute(
                    "UPDATE jobs SET lease_until = ?, done = ?, total = ? "
                    "WHERE job_id = ? AND owner = ?",
                    [until, done, total, job_id, self.owner],
                )
            held = db.execute(
                "SELECT job_id, cancel FROM jobs WHERE owner = ? AND state = 'running'",
                [self.owner],
            ).fetchall()
            self._free_the_dead(db)
        ids = {row["job_id"] for row in held}
        return set(progress) - ids, {row["job_id"] for row in held if row["cancel"]}

    def free_the_dead(self) -> None:
        """Jobs whose owner has ended, or did not renew the lease, wait again."""
        with self._change() as db:
            self._free_the_dead(db)

    def release_all(self) -> None:
        """All that this object holds waits again."""
        with self._change() as db:
            db.execute(
                f"UPDATE jobs SET {_WAITS}, owner = NULL, lease_until = NULL "
                "WHERE owner = ? AND state = 'running'",
                [self.owner],
            )

    # Steering

    def pause(self) -> None:
        """Nobody begins another job; what runs goes on to its end."""
        with self._change() as db:
            db.execute("INSERT OR REPLACE INTO flags VALUES ('paused', 'yes')")

    def go_on(self) -> None:
        with self._change() as db:
            db.execute("DELETE FROM flags WHERE name = 'paused'")

    @property
    def is_paused(self) -> bool:
        with self._read() as db:
            return self._is_paused(db)

    def cancel(self, job_ids: Sequence[int] | None = None) -> int:
        """Cancel jobs, None for all that have not ended: a running one ends at its next step."""
        with self._change() as db:
            self._check_known(db, job_ids)
            where, values = _among(job_ids)
            running = db.execute(
                f"UPDATE jobs SET cancel = 1 WHERE state = 'running' AND {where}", values
            )
            waiting = db.execute(
                "UPDATE jobs SET state = 'cancelled', changed = ? "
                f"WHERE state = 'waiting' AND {where}",
                [self._clock(), *values],
            )
            return running.rowcount + waiting.rowcount

    def retry(self, job_ids: Sequence[int] | None = None) -> int:
        """Let jobs that failed or were cancelled wait again, None for all that failed."""
        with self._change() as db:
            self._check_known(db, job_ids)
            where, values = _among(job_ids)
            states = "('failed')" if job_ids is None else "('failed', 'cancelled')"
            found = db.execute(
                f"""UPDATE jobs SET state = 'waiting', tries = 0, not_before = 0, cancel = 0,
                reason = NULL, changed = ? WHERE state IN {states} AND {where}""",
                [self._clock(), *values],
            )
            return found.rowcount

    def set_priority(self, job_ids: Sequence[int], priority: int) -> None:
        """Jobs of a higher priority come first; the usual one is 0."""
        with self._change() as db:
            self._check_known(db, job_ids)
            where, values = _among(job_ids)
            db.execute(f"UPDATE jobs SET priority = ? WHERE {where}", [priority, *values])

    # Reading

    def jobs(self, where: str = "1", *values: Any, limit: int = -1) -> list[QueuedJob]:
        """In the order in which they are done."""
        with self._read() as db:
            sql = f"SELECT * FROM jobs WHERE {where} ORDER BY priority DESC, job_id LIMIT ?"
            return [_job(row) for row in db.execute(sql, [*values, limit])]

    def in_scope(self) -> list[QueuedJob]:
        return self.jobs("job_id IN scope")

    def counts(self, where: str = "1", *values: Any) -> dict[State, int]:
        """How many jobs are in each state."""
        with self._read() as db:
            sql = f"SELECT state, count(*) AS n FROM jobs WHERE {where} GROUP BY state"
            found = {row["state"]: row["n"] for row in db.execute(sql, values)}
        return {state: found.get(state, 0) for state in STATES}

    def unfinished_work(self) -> dict[str, dict[str, Any]]:
        """What the works are, by id, that have jobs which have not ended; the oldest first."""
        with self._read() as db:
            rows = db.execute(
                """SELECT work_id, what FROM work WHERE EXISTS (SELECT 1 FROM jobs WHERE
                jobs.work_id = work.work_id AND state IN ('waiting', 'running')) ORDER BY added"""
            ).fetchall()
        return {row["work_id"]: json.loads(row["what"]) for row in rows}

    # Inside

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except StoreDamagedError:
            with FileLock(self.path.with_name("jobs.lock"), timeout=_BUSY_S):
                try:
                    return self._connected()  # somebody else was quicker
                except StoreDamagedError:
                    self.note = self._set_aside()
                    return self._connected()

    def _connected(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        db.row_factory = sqlite3.Row
        try:
            with self._errors():
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version > _VERSION:
                    raise StoreError(
                        f"the queue {self.path} is of a newer version ({version}, here "
                        f"{_VERSION}); use that version of the lab"
                    )
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
                if version:
                    self._check(db)
                db.executescript(_SCHEMA)
                db.execute("CREATE TEMP TABLE scope (job_id INTEGER PRIMARY KEY)")
        except BaseException:
            db.close()
            raise
        return db

    def _check(self, db: sqlite3.Connection) -> None:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreDamagedError(f"the queue {self.path} is damaged: {found}")

    def _set_aside(self) -> str:
        """Move a damaged file away; what was done about it, in words."""
        folder = self.path.parent / "damaged"
        folder.mkdir(exist_ok=True)
        name = f"jobs-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}.sqlite"
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}{end}", folder / f"{name}{end}")
        return (
            f"the queue {self.path} was damaged and is now {folder / name}; no run is lost: give "
            "the same command again, and what is in the store is not computed again"
        )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorname", "") or ""
            what = f"the queue {self.path}"
            if code.startswith(_DAMAGED):
                raise StoreDamagedError(
                    f"{what} is damaged ({error}); no run is lost: give the same command again"
                ) from None
            if code.startswith(_BUSY):
                raise StoreBusyError(f"{what} is kept by another program; try again") from None
            raise StoreError(
                f"{what} cannot be used: {error}; make room, or make it writable"
            ) from None

    @contextlib.contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._guard, self._errors():
            yield self._db

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which nobody else writes in."""
        with self._read() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise

    def _let_go(self, job_id: int, changes: str, values: Sequence[Any]) -> bool:
        with self._change() as db:
            found = db.execute(
                f"UPDATE jobs SET {changes}, owner = NULL, lease_until = NULL, changed = ? "
                "WHERE job_id = ? AND owner = ? AND state = 'running'",
                [*values, self._clock(), job_id, self.owner],
            )
            return found.rowcount == 1

    def _is_paused(self, db: sqlite3.Connection) -> bool:
        return db.execute("SELECT 1 FROM flags WHERE name = 'paused'").fetchone() is not None

    def _check_known(self, db: sqlite3.Connection, job_ids: Sequence[int] | None) -> None:
        for job_id in job_ids or ():
            if db.execute("SELECT 1 FROM jobs WHERE job_id = ?", [job_id]).fetchone() is None:
                raise NotFoundError(f"the queue has no job {job_id}; lab jobs lists them")

    def _free_the_dead(self, db: sqlite3.Connection) -> None:
        now = self._clock()
        owners = db.execute(
            "SELECT owner, max(lease_until) AS until FROM jobs WHERE state = 'running' "
            "AND owner <> ? GROUP BY owner",
            [self.owner],
        ).fetchall()
        for row in owners:
            if row["until"] < now or not self._is_alive(row["owner"]):
                db.execute(
                    f"UPDATE jobs SET {_WAITS}, owner = NULL, lease_until = NULL "
                    "WHERE owner = ? AND state = 'running'",
                    [row["owner"]],
                )

    def _lock_file(self, owner: str) -> Path:
        return self._owners / f"{owner}.lock"

    def _show_alive(self) -> None:
        """Hold a lock for as long as this process lives."""
        with self._guard:
            if self._alive is None:
                try:
                    self._owners.mkdir(exist_ok=True)
                    lock = FileLock(self._lock_file(self.owner), thread_local=False)
                    lock.acquire(timeout=_BUSY_S)
                except (OSError, Timeout) as error:
                    raise StoreError(f"{self._owners} cannot be written: {error}") from None
                self._alive = lock

    def _is_alive(self, owner: str) -> bool:
        path = self._lock_file(owner)
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0):
                path.unlink(missing_ok=True)
        except Timeout:
            return True
        except OSError:
            return True
        return False


def _among(job_ids: Sequence[int] | None) -> tuple[str, list[Any]]:
    if job_ids is None:
        return "1", []
    if not job_ids:
        raise SettingError("name the jobs by their ids; lab jobs lists them")
    return "job_id IN (SELECT value FROM json_each(?))", [json.dumps(list(job_ids))]


def _job(row: sqlite3.Row) -> QueuedJob:
    names = (
        "job_id work_id path state priority tries claims not_before media_id reason seconds "
        "done total"
    )
    return QueuedJob(
        **{name: row[name] for name in names.split()},
        stamp=Stamp(row["size_bytes"], row["mtime_ns"]),
        run_ids=tuple(json.loads(row["run_ids"])),
        was_there=bool(row["was_there"]),
    )
