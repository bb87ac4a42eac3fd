"""Jobs that somebody names by their ids, and the priority that they are given."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from lab.errors import NotFoundError, SettingError

MOST_PRIORITY = 1_000_000
_MOST_ID = 2**63 - 1  # SQLite takes more for a number with a fraction


def among(job_ids: Sequence[int] | None) -> tuple[str, list[Any]]:
    """A condition for these jobs, None for all, with its values. Raises SettingError for none."""
    if job_ids is None:
        return "1", []
    if not job_ids:
        raise SettingError("name the jobs by their ids; lab jobs lists them")
    return "job_id IN (SELECT value FROM json_each(?))", [json.dumps(list(job_ids))]


def check_there(db: sqlite3.Connection, job_ids: Sequence[int] | None) -> None:
    """Raises NotFoundError if one of these jobs is not there."""
    missing = next((one for one in job_ids or () if abs(one) > _MOST_ID), None)
    if missing is None:
        row = db.execute(
            "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT job_id FROM jobs) LIMIT 1",
            [json.dumps(list(job_ids or ()))],
        ).fetchone()
        missing = None if row is None else row["value"]
    if missing is not None:
        raise NotFoundError(f"the queue has no job {missing}; lab jobs lists them")


def check_priority(priority: int) -> None:
    """Raises SettingError for one that no job may have."""
    if not -MOST_PRIORITY <= priority <= MOST_PRIORITY:
        raise SettingError(
            f"a priority must be from {-MOST_PRIORITY} to {MOST_PRIORITY}, got {priority}"
        )
