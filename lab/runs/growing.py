"""A run that another process makes: its new samples, and how it is, asked for again and again."""

from __future__ import annotations

import time

from lab.errors import NotFoundError, StoreError
from lab.score_log.growing import GrowingLog, NewSample
from lab.score_log.writer import is_locked
from lab.store.outcomes import read_outcome
from lab.store.store import Store

__all__ = ["GrowingRun", "NewSample"]

_LOCK_EVERY_S = 0.5


class GrowingRun:
    """Reads a run from outside of its process. Cheap while nothing is new. Not for several threads.

    state: `running`, `done`, `cancelled`, `failed`, or `interrupted` where its process ended
    without closing it. It is what it was before the samples of the last `updates` were read: once
    it is not `running`, they were the last ones, unless the run is gone on with, by which it is
    `running` again. error: why it is not done.

    latest: how many of the samples that are there already the first `updates` gives; None for all.

    Raises NotFoundError for a run that has no log.
    """

    def __init__(self, store: Store, run_id: str, *, latest: int | None = None) -> None:
        self._store, self.run_id = store, run_id
        self._folder = store.log_folder(run_id)
        is_name = self._folder.name == run_id != ".." and self._folder.parent.name == "logs"
        if not is_name or not self._folder.is_dir():
            raise NotFoundError(f"no run {run_id!r:.80} in this store")
        self._log = GrowingLog(self._folder, latest=latest)
        self._looked_at = -_LOCK_EVERY_S
        self._stamp: int | None = None
        self.state: str = "running"
        self.error: str | None = None
        self._look()

    @property
    def is_over(self) -> bool:
        """Whether nobody goes on with it at present."""
        return self.state != "running"

    @property
    def last_us(self) -> int:
        """Time of the last sample that is known; far below 0 before the first."""
        return self._log.last_us

    @property
    def damaged(self) -> list[str]:
        """Parts of its log that are not what was written; their samples are left out."""
        return list(self._log.damaged)

    def updates(self) -> list[NewSample]:
        """Samples that were logged since the last call, oldest first.

        None for a log that was removed to make room.
        """
        self._look()
        return self._log.read()

    def _look(self) -> None:
        """At how it ended, and now and then at the lock, which a killed process leaves."""
        now = time.monotonic()
        try:
            stamp = self._folder.stat().st_mtime_ns
        except OSError:
            self.state, self.error = "failed", "its log was removed"
            return
        if stamp == self._stamp and now - self._looked_at < _LOCK_EVERY_S:
            return
        has_changed = stamp != self._stamp
        self._looked_at, self._stamp = now, stamp
        # Before the lock: an outcome that is not there yet is written under it.
        is_running = is_locked(self._folder)
        outcome = read_outcome(self._folder)
        if outcome is not None:
            self.state, self.error = str(outcome["state"]), outcome["error"]
        elif is_running:
            self.state, self.error = "running", None
        elif has_changed or self.state == "running":
            self._ask_catalog()

    def _ask_catalog(self) -> None:
        """Of a run that was imported, or whose process was killed."""
        try:
            row = self._store.run(self.run_id)
        except NotFoundError:  # it is about to begin, or was taken back
            return
        except StoreError:  # busy: at the next look
            self._stamp = None
            return
        if row["state"] != "running":
            self.state, self.error = str(row["state"]), row["error"]
