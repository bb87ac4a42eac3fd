"""`JobQueue`: adding jobs, claiming them, ending them.

A job is claimed by one owner, who renews its lease while it works. A job whose owner is gone, or
has not renewed it, waits again. Every change is one transaction, so that whoever is killed loses
nothing.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lab.errors import StoreError
from lab.jobs.queue.asked import Asked
from lab.jobs.queue.named_jobs import check_priority
from lab.jobs.queue.overview import OF_THE_APP, QueueOverview
from lab.jobs.queue.owners import Owner
from lab.jobs.queue.queued_job import QueuedJob, Stamp

RETRY_S = (2.0, 4.0, 8.0)  # after what may pass, such as a worker that was killed
LEASE_S = 30.0
_WAITS = "state = CASE WHEN cancel THEN 'cancelled' ELSE 'waiting' END"
_NOBODYS = "owner = NULL, lease_until = NULL"


class JobQueue(QueueOverview):
    """The queue of the store in `folder`; a context manager. Raises what `QueueFile` does.

    It claims the jobs of its scope: those that were added with it or taken up. is_app: or else
    all that the app does, whoever added them. It holds them until it is closed or its process ends.
    """

    def __init__(
        self, folder: Path, *, clock: Callable[[], float] = time.time, is_app: bool = False
    ) -> None:
        self._owner = Owner(folder / "batches")
        self.owner = self._owner.name
        self._is_app = is_app
        self._mine = "job_id IN scope"
        if is_app:
            self._mine = f"work_id IN (SELECT work_id FROM work WHERE {OF_THE_APP})"
        super().__init__(folder, clock=clock)

    def __enter__(self) -> JobQueue:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """What it still holds waits again."""
        with contextlib.suppress(StoreError):
            if self._owner.is_shown:
                self.release_all()
                self._leave(self.owner)
        super().close()
        self._owner.close()

    # Adding

    def add(
        self,
        work_id: str,
        what: Mapping[str, Any],
        clips: Iterable[tuple[str, Stamp]],
        *,
        priority: int = 0,
        clip_ids: Mapping[str, str] | None = None,
        again: bool = False,
        asked: Asked | None = None,
    ) -> list[int]:
        """Queue clips, and make them the scope; their ids, in the order of the queue.

        One that is queued for this work already stays what it is; one that failed or was
        cancelled, or whose file has changed since it was done, waits again. again: and every one
        that is done. clip_ids: media_id of clips that were chosen, by their paths. asked: by whom;
        what was asked for by the same key already is given as it is. Raises SettingError for a
        priority beyond `MOST_PRIORITY`.
        """
        check_priority(priority)
        self._owner.show_alive()
        now, chosen = self._clock(), clip_ids or {}
        rows = [
            (work_id, path, priority, s.size_bytes, s.mtime_ns, now, chosen.get(path), now, again)
            for path, s in clips
        ]
        with self._change() as db:
            if asked is not None and (known := asked.known(db)) is not None:
                return [known]
            if self._is_app:
                db.execute("DELETE FROM scope")
            db.execute("INSERT OR IGNORE INTO work VALUES (?, ?, ?)",
                       [work_id, json.dumps(what, sort_keys=True), now])  # fmt: skip
            self._be_at(db, work_id)
            db.executemany(
                """INSERT INTO jobs (work_id, path, state, priority, size_bytes, mtime_ns, changed,
                clip_id, added) VALUES (?, ?, 'waiting', ?, ?, ?, ?, ?, ?)
                ON CONFLICT (work_id, path) DO UPDATE SET
                state = CASE WHEN state IN ('failed', 'cancelled') OR state = 'done' AND
                    (? OR size_bytes IS NOT excluded.size_bytes OR
                    mtime_ns IS NOT excluded.mtime_ns) THEN 'waiting' ELSE state END,
                was_there = CASE state WHEN 'done' THEN 1 ELSE was_there END,
                priority = excluded.priority, size_bytes = excluded.size_bytes,
                mtime_ns = excluded.mtime_ns, changed = excluded.changed,
                clip_id = excluded.clip_id, added = excluded.added,
                asked_by = CASE WHEN state IN ('waiting', 'running') THEN asked_by END""",
                rows,
            )
            db.executemany(
                "INSERT OR IGNORE INTO scope SELECT job_id FROM jobs WHERE work_id = ? "
                "AND path = ?",
                [row[:2] for row in rows],
            )
            db.execute(
                """UPDATE jobs SET tries = 0, not_before = 0, cancel = 0, was_there = 0,
                reason = NULL, seconds = NULL, done = NULL, total = NULL, rate_hz = NULL
                WHERE state = 'waiting' AND job_id IN scope"""
            )
            found = db.execute(
                "SELECT job_id FROM jobs WHERE job_id IN scope AND work_id = ? ORDER BY job_id",
                [work_id],
            )
            ids = [row["job_id"] for row in found]
            if asked is not None:
                asked.keep(db, ids)
            return ids

    def take_up(self, work_id: str) -> None:
        """Make the jobs of a work that have not ended the scope."""
        self._owner.show_alive()
        with self._change() as db:
            self._be_at(db, work_id)
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

    def claim(
        self, *, but_works: Iterable[str] = (), but_jobs: Iterable[int] = ()
    ) -> QueuedJob | None:
        """The next job that is this object's to do, which it now holds; None if none is due.

        but_works, but_jobs: ids of those that are left to others.
        """
        self._owner.show_alive()
        now = self._clock()
        with self._change() as db:
            if self._is_paused(db):
                return None
            row = db.execute(
                f"""UPDATE jobs SET state = 'running', owner = ?, lease_until = ?, media_id = NULL,
                claims = claims + 1, done = NULL, total = NULL, rate_hz = NULL, changed = ?
                WHERE job_id = (SELECT job_id FROM jobs WHERE state = 'waiting'
                AND not_before <= ? AND {self._mine}
                AND work_id NOT IN (SELECT value FROM json_each(?))
                AND job_id NOT IN (SELECT value FROM json_each(?))
                ORDER BY priority DESC, job_id LIMIT 1) RETURNING *""",
                [self.owner, now + LEASE_S, now, now,
                 json.dumps(list(but_works)), json.dumps(list(but_jobs))],
            ).fetchone()  # fmt: skip
        return None if row is None else QueuedJob.from_row(row)

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
        """The path of another job of the same work that is done with the same video."""
        with self._read() as db:
            row = db.execute(
                "SELECT path FROM jobs WHERE media_id = ? AND state = 'done' AND job_id <> ? "
                f"AND work_id = (SELECT work_id FROM jobs WHERE job_id = ?) AND {self._mine} "
                "ORDER BY was_there, job_id LIMIT 1",
                [media_id, job_id, job_id],
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
        total: int | None = None,
        rate_hz: float | None = None,
    ) -> bool:
        """End a job; False if it is not held any more, and nothing was changed."""
        seen = stamp or Stamp()
        return self._let_go(
            job_id,
            """state = ?, run_ids = ?, was_there = ?, reason = ?, seconds = ?, done = NULL,
            total = ?, rate_hz = ?, size_bytes = coalesce(?, size_bytes),
            mtime_ns = coalesce(?, mtime_ns)""",
            [state, json.dumps(list(run_ids)), was_there, reason, seconds, total, rate_hz,
             seen.size_bytes, seen.mtime_ns],
        )  # fmt: skip

    def fail_work(self, work_id: str, reason: str) -> None:
        """No clip of this work can be analysed: what waits of it, and what is held, fails."""
        with self._change() as db:
            db.execute(
                f"""UPDATE jobs SET state = 'failed', reason = ?, {_NOBODYS}, changed = ? WHERE
                work_id = ? AND (state = 'waiting' OR state = 'running' AND owner = ?)""",
                [reason, self._clock(), work_id, self.owner],
            )

    def put_back(self, job: QueuedJob, *, after_s: float = 0.0, stamp: Stamp | None = None) -> bool:
        """Let it wait again; that is no failure."""
        seen = stamp or job.stamp
        return self._let_go(
            job.job_id,
            f"{_WAITS}, not_before = ?, size_bytes = ?, mtime_ns = ?",
            [self._clock() + after_s, seen.size_bytes, seen.mtime_ns],
        )

    def say_why(self, job_id: int, reason: str) -> None:
        """Say of a job that waits why it does."""
        with self._change() as db:
            db.execute(
                "UPDATE jobs SET reason = ? WHERE job_id = ? AND state = 'waiting'",
                [reason, job_id],
            )

    def say_where(self, job_id: int, place: str) -> None:
        """Say of a job that is held where it is done."""
        with self._change() as db:
            db.execute(
                "UPDATE jobs SET reason = ? WHERE job_id = ? AND state = 'running' AND owner = ?",
                [place, job_id, self.owner],
            )

    def leave(self, job: QueuedJob, place: str) -> None:
        """A job is not there any more: one that did not end has the reason that it had before."""
        with self._change() as db:
            db.execute(
                "UPDATE jobs SET reason = ? WHERE job_id = ? AND reason = ? "
                "AND state IN ('waiting', 'cancelled')",
                [job.reason, job.job_id, place],
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

    def beat(
        self, progress: Mapping[int, tuple[int, int | None, float | None]]
    ) -> tuple[set[int], set[int]]:
        """Renew the leases, keep how far each job is, and let jobs of the dead wait again.

        progress: of the jobs that are held: samples done, of how many, and how many a second.
        Returns the ids of those that are held no more, and of those that somebody asked to cancel.
        """
        until = self._clock() + LEASE_S
        with self._change() as db:
            db.executemany(
                "UPDATE jobs SET lease_until = ?, done = ?, total = ?, rate_hz = ? "
                "WHERE job_id = ? AND owner = ?",
                [(until, *far, job_id, self.owner) for job_id, far in progress.items()],
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
            self._release(db, self.owner)

    def left_behind(self) -> dict[str, int]:
        """How many clips wait of each work that a terminal has queued and no process is at any
        more, by work_id.
        """
        with self._read() as db:
            works = db.execute(
                f"""SELECT work_id, count(*) AS n FROM jobs JOIN work USING (work_id) WHERE state =
                'waiting' AND ({OF_THE_APP}) IS NOT TRUE GROUP BY work_id ORDER BY work_id"""
            ).fetchall()
            at = db.execute("SELECT work_id, owner FROM batches").fetchall() if works else []
        alive = {owner: self._is_at_work(owner) for owner in {row["owner"] for row in at}}
        held = {row["work_id"] for row in at if alive[row["owner"]]}
        return {row["work_id"]: row["n"] for row in works if row["work_id"] not in held}

    # Inside

    def _be_at(self, db: sqlite3.Connection, work_id: str) -> None:
        """Let others know who does a work; of the app it is known by the work itself."""
        if not self._is_app:
            db.execute("INSERT OR IGNORE INTO batches VALUES (?, ?)", [work_id, self.owner])

    def _is_at_work(self, owner: str) -> bool:
        if owner == self.owner or self._owner.is_alive(owner):
            return True
        with contextlib.suppress(StoreError):  # that it left may be written later
            self._leave(owner)
        return False

    def _leave(self, owner: str) -> None:
        with self._change() as db:
            db.execute("DELETE FROM batches WHERE owner = ?", [owner])

    def _let_go(self, job_id: int, changes: str, values: Sequence[Any]) -> bool:
        with self._change() as db:
            found = db.execute(
                f"UPDATE jobs SET {changes}, {_NOBODYS}, changed = ? "
                "WHERE job_id = ? AND owner = ? AND state = 'running'",
                [*values, self._clock(), job_id, self.owner],
            )
            return found.rowcount == 1

    def _release(self, db: sqlite3.Connection, owner: str) -> None:
        db.execute(
            f"UPDATE jobs SET {_WAITS}, {_NOBODYS} WHERE owner = ? AND state = 'running'", [owner]
        )

    def _free_the_dead(self, db: sqlite3.Connection) -> None:
        now = self._clock()
        owners = db.execute(
            "SELECT owner, max(lease_until) AS until FROM jobs WHERE state = 'running' "
            "AND owner <> ? GROUP BY owner",
            [self.owner],
        ).fetchall()
        for row in owners:
            if row["until"] < now or not self._owner.is_alive(row["owner"]):
                self._release(db, row["owner"])
