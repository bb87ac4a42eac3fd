"""Reading the queue and steering it: what people do, in a terminal or on a page."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab.jobs.queue.asked import Asked
from lab.jobs.queue.file import QueueFile
from lab.jobs.queue.named_jobs import among, check_priority, check_there
from lab.jobs.queue.queued_job import STATES, QueuedJob, State

_LAST = 50  # jobs whose time tells what the next ones will take
_UNFINISHED = "state IN ('waiting', 'running')"
_RANK = "instr('running waiting failed cancelled done', state)"
# Of what has ended, the last one comes first.
_AS_SHOWN = f"""ORDER BY {_RANK}, CASE WHEN {_UNFINISHED} THEN -priority ELSE -changed END, job_id
    LIMIT ? OFFSET ?"""


class QueueOverview(QueueFile):
    """The queue as people see it; raises what `QueueFile` does.

    Whoever names a job that is not there gets NotFoundError.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        super().__init__(folder)

    # Reading

    def jobs(self, where: str = "1", *values: Any, limit: int = -1) -> list[QueuedJob]:
        """In the order in which they are done."""
        with self._read() as db:
            sql = f"SELECT * FROM jobs WHERE {where} ORDER BY priority DESC, job_id LIMIT ?"
            return [QueuedJob.from_row(row) for row in db.execute(sql, [*values, limit])]

    def page(self, states: Sequence[State], limit: int, offset: int = 0) -> list[QueuedJob]:
        """Some of the jobs in these states, as a page lists them: what runs, what is next, what
        failed, was cancelled, is done.
        """
        with self._read() as db:
            sql = f"SELECT * FROM jobs WHERE state IN (SELECT value FROM json_each(?)) {_AS_SHOWN}"
            rows = db.execute(sql, [json.dumps(list(states)), limit, offset])
            return [QueuedJob.from_row(row) for row in rows]

    def newest(
        self, states: Sequence[State], limit: int, before: int | None = None
    ) -> list[QueuedJob]:
        """Those in these states, the one that was added last first. before: the id of a job, of
        those that were added before it.
        """
        where = "" if before is None else " AND job_id < ?"
        with self._read() as db:
            rows = db.execute(
                "SELECT * FROM jobs WHERE state IN (SELECT value FROM json_each(?))"
                f"{where} ORDER BY job_id DESC LIMIT ?",
                [json.dumps(list(states)), *([] if before is None else [before]), limit],
            )
            return [QueuedJob.from_row(row) for row in rows]

    def ids(self, states: Sequence[State], chosen: Sequence[int] | None = None) -> list[int]:
        """Of the jobs that are in these states now; chosen: of those alone."""
        where, values = among(chosen)
        with self._read() as db:
            rows = db.execute(
                "SELECT job_id FROM jobs WHERE state IN (SELECT value FROM json_each(?)) AND "
                f"{where} ORDER BY job_id",
                [json.dumps(list(states)), *values],
            )
            return [row["job_id"] for row in rows]

    def check_known(self, job_ids: Sequence[int]) -> None:
        """Raises NotFoundError if one of these jobs is not there."""
        with self._read() as db:
            check_there(db, job_ids)

    def asked_for(self, asked: Asked) -> int | None:
        """The job that was asked for by the same key; see `Asked.known`."""
        with self._read() as db:
            return asked.known(db)

    def in_scope(self) -> list[QueuedJob]:
        return self.jobs("job_id IN scope")

    def counts(self, where: str = "1", *values: Any) -> dict[State, int]:
        """How many jobs are in each state."""
        with self._read() as db:
            sql = f"SELECT state, count(*) AS n FROM jobs WHERE {where} GROUP BY state"
            found = {row["state"]: row["n"] for row in db.execute(sql, values)}
        return {state: found.get(state, 0) for state in STATES}

    def work(self, work_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What works are, by id."""
        with self._read() as db:
            rows = db.execute(
                "SELECT work_id, what FROM work WHERE work_id IN (SELECT value FROM json_each(?))",
                [json.dumps(list(work_ids))],
            )
            return {row["work_id"]: json.loads(row["what"]) for row in rows}

    def unfinished_work(self) -> dict[str, dict[str, Any]]:
        """What the works are, by id, that have jobs which have not ended; the oldest first."""
        with self._read() as db:
            rows = db.execute(
                f"""SELECT work_id, what FROM work WHERE EXISTS (SELECT 1 FROM jobs WHERE
                jobs.work_id = work.work_id AND {_UNFINISHED}) ORDER BY added"""
            ).fetchall()
        return {row["work_id"]: json.loads(row["what"]) for row in rows}

    def usual_seconds(self) -> float | None:
        """What a clip took in the mean of the last ones that were analysed; None before any was."""
        with self._read() as db:
            found = db.execute(
                "SELECT avg(seconds) FROM (SELECT seconds FROM jobs WHERE state = 'done' AND NOT "
                "was_there AND seconds IS NOT NULL ORDER BY changed DESC LIMIT ?)",
                [_LAST],
            ).fetchone()[0]
        return None if found is None else float(found)

    @property
    def is_paused(self) -> bool:
        with self._read() as db:
            return self._is_paused(db)

    # Steering

    def pause(self) -> None:
        """Nobody begins another job; what runs goes on to its end."""
        with self._change() as db:
            db.execute("INSERT OR REPLACE INTO flags VALUES ('paused', 'yes')")

    def go_on(self) -> None:
        with self._change() as db:
            db.execute("DELETE FROM flags WHERE name = 'paused'")

    def cancel(self, job_ids: Sequence[int] | None = None) -> int:
        """Cancel jobs, None for all that have not ended: a running one ends at its next step."""
        with self._change() as db:
            check_there(db, job_ids)
            where, values = among(job_ids)
            running = db.execute(
                f"UPDATE jobs SET cancel = 1 WHERE state = 'running' AND {where}", values
            )
            waiting = db.execute(
                "UPDATE jobs SET state = 'cancelled', changed = ? "
                f"WHERE state = 'waiting' AND {where}",
                [self._clock(), *values],
            )
            return running.rowcount + waiting.rowcount

    def retry(self, job_ids: Sequence[int] | None = None, asked: Asked | None = None) -> int:
        """Let jobs that failed or were cancelled wait again, None for all that failed.

        asked: by whom, where jobs are counted; those that are named are theirs then.
        """
        with self._change() as db:
            check_there(db, job_ids)
            where, values = among(job_ids)
            states = "('failed')" if job_ids is None else "('failed', 'cancelled')"
            found = db.execute(
                f"""UPDATE jobs SET state = 'waiting', tries = 0, not_before = 0, cancel = 0,
                reason = NULL, changed = ? WHERE state IN {states} AND {where}""",
                [self._clock(), *values],
            )
            if asked is not None and job_ids is not None and found.rowcount:
                db.execute(f"UPDATE jobs SET asked_by = NULL WHERE {where}", values)
                asked.keep(db, job_ids)
            return found.rowcount

    def set_priority(self, job_ids: Sequence[int], priority: int) -> None:
        """Jobs of a higher priority come first; the usual one is 0. Raises SettingError beyond
        `MOST_PRIORITY`.
        """
        check_priority(priority)
        with self._change() as db:
            check_there(db, job_ids)
            where, values = among(job_ids)
            db.execute(f"UPDATE jobs SET priority = ? WHERE {where}", [priority, *values])

    def put_first(self, job_ids: Sequence[int]) -> None:
        """Before all others that wait, by a priority above theirs."""
        self._put(job_ids, "max(priority) + 1")

    def put_last(self, job_ids: Sequence[int]) -> None:
        """After all others that wait, by a priority below theirs."""
        self._put(job_ids, "min(priority) - 1")

    def forget_ended(self, job_ids: Sequence[int] | None = None) -> int:
        """Take what has ended off the list, but for works that a batch is at; runs stay."""
        where, values = among(job_ids)
        with self._change() as db:
            found = db.execute(
                f"""DELETE FROM jobs WHERE NOT {_UNFINISHED} AND {where} AND (NOT EXISTS (SELECT 1
                FROM jobs AS one WHERE one.work_id = jobs.work_id AND one.{_UNFINISHED}) OR EXISTS
                (SELECT 1 FROM work WHERE work.work_id = jobs.work_id AND {OF_THE_APP}))""",
                values,
            )
            _forget_what_is_empty(db)
            return found.rowcount

    def take_off(self, job_ids: Sequence[int]) -> int:
        """Take jobs that wait off the list, as if they had never been queued."""
        where, values = among(job_ids)
        with self._change() as db:
            found = db.execute(f"DELETE FROM jobs WHERE state = 'waiting' AND {where}", values)
            _forget_what_is_empty(db)
            return found.rowcount

    # Inside

    def _put(self, job_ids: Sequence[int], priority: str) -> None:
        with self._change() as db:
            check_there(db, job_ids)
            where, values = among(job_ids)
            db.execute(
                f"""UPDATE jobs SET priority = (SELECT coalesce({priority}, 0) FROM jobs WHERE
                state = 'waiting' AND NOT {where}) WHERE state = 'waiting' AND {where}""",
                [*values, *values],
            )

    def _is_paused(self, db: sqlite3.Connection) -> bool:
        return db.execute("SELECT 1 FROM flags WHERE name = 'paused'").fetchone() is not None


# Of a row of `work`: whether the app does it, rather than whoever started it in a terminal.
OF_THE_APP = "json_extract(what, '$.by') = 'app'"


def _forget_what_is_empty(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM asked WHERE job_id NOT IN (SELECT job_id FROM jobs)")
    db.execute("DELETE FROM work WHERE work_id NOT IN (SELECT work_id FROM jobs)")
