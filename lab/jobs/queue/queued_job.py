"""One job of the queue, as it is read."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = ("waiting", "running", "done", "failed", "cancelled")
_PLAIN = (
    "job_id", "work_id", "path", "state", "priority", "tries", "claims", "not_before", "media_id",
    "reason", "seconds", "done", "total", "clip_id", "rate_hz", "added", "changed",
)  # fmt: skip
COLUMNS = (
    *_PLAIN,
    "size_bytes",
    "mtime_ns",
    "run_ids",
    "was_there",
    "cancel",
    "owner",
    "lease_until",
)


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
    not_before, added, changed: seconds since 1970. done, total: samples. was_there: its runs were
    in the store already. seconds: what it took. clip_id: media_id of the clip that was chosen, None
    where a path was. rate_hz: samples a second, None where it is not known. is_stopping: it runs,
    and somebody asked to cancel it.
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
    clip_id: str | None = None
    rate_hz: float | None = None
    added: float | None = None
    changed: float = 0.0
    is_stopping: bool = False

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> QueuedJob:
        return cls(
            **{name: row[name] for name in _PLAIN},
            stamp=Stamp(row["size_bytes"], row["mtime_ns"]),
            run_ids=tuple(json.loads(row["run_ids"])),
            was_there=bool(row["was_there"]),
            is_stopping=bool(row["cancel"]) and row["state"] == "running",
        )
