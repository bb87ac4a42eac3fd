"""Who asked for jobs: how many each may have at once, and keys by which asking twice is once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from lab.access.asker import RefusedError
from lab.errors import ConflictError

_RETRY_AFTER_S = 30
_UNFINISHED = "state IN ('waiting', 'running')"


@dataclass(frozen=True)
class Asked:
    """by: whose jobs are counted. most: how many of them may wait or run. key: of the request,
    None for one without; it is kept for as long as the job is on the list. digest: of what the
    request says.
    """

    by: str
    most: int
    key: str | None = None
    digest: str = ""

    def known(self, db: sqlite3.Connection) -> int | None:
        """The job that was asked for by this key, whatever became of it; None if there is none.

        Raises ConflictError where it was for something else.
        """
        if self.key is None:
            return None
        row = db.execute(
            "SELECT digest, job_id FROM asked WHERE asked_by = ? AND key = ?", [self.by, self.key]
        ).fetchone()
        if row is None:
            return None
        if row["digest"] != self.digest:
            raise ConflictError(
                f"the key was used for another request, that of job {row['job_id']}; use a new "
                "key for each request that is not the same"
            )
        return int(row["job_id"])

    def keep(self, db: sqlite3.Connection, job_ids: Sequence[int]) -> None:
        """Note jobs as asked for; those that somebody else has asked for stay theirs.

        Raises ConflictError for one that is stopping, so that it would not be done; RefusedError,
        429, if these are too many.
        """
        for job_id in job_ids:
            self._check_not_stopping(db, job_id)
        db.executemany(
            f"UPDATE jobs SET asked_by = ? WHERE job_id = ? AND asked_by IS NULL AND {_UNFINISHED}",
            [(self.by, job_id) for job_id in job_ids],
        )
        if self.key is not None and job_ids:
            db.execute(
                "INSERT INTO asked VALUES (?, ?, ?, ?)",
                [self.by, self.key, self.digest, job_ids[0]],
            )
        count = db.execute(
            f"SELECT count(*) FROM jobs WHERE asked_by = ? AND {_UNFINISHED}", [self.by]
        ).fetchone()[0]
        if count > self.most:
            raise RefusedError(
                429,
                f"{self.most} jobs of this token wait or run, which is the limit; wait for one "
                "of them to end, or cancel it",
                retry_after_s=_RETRY_AFTER_S,
            )

    def _check_not_stopping(self, db: sqlite3.Connection, job_id: int) -> None:
        sql = "SELECT 1 FROM jobs WHERE job_id = ? AND state = 'running' AND cancel"
        if db.execute(sql, [job_id]).fetchone() is not None:
            raise ConflictError(
                f"job {job_id} is the same and is stopping, as somebody asked; ask again when it "
                "has ended"
            )
