"""All workers that come to an app for clips of its queue."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import lab
from lab.errors import JobError, SettingError
from lab.jobs.batch.service import QueueService
from lab.jobs.engine import Engine
from lab.jobs.remote.claim import Claim, ClaimEndedError
from lab.jobs.remote.engine import RemoteEngine
from lab.jobs.remote.feeder import RemoteFeeder
from lab.jobs.remote.link import Link

_MOST = 256
_GONE = 3.0  # times the silence


class FullError(JobError):
    """So many workers are there already."""


@dataclass(frozen=True)
class RemoteWorker:
    """As people see it. job_id: of the queue's job that it is at."""

    name: str
    job_id: int | None


class RemoteWorkers:
    """Known by who came (`asker`) and an id that each worker makes for itself.

    silence_s, stuck_s: as of `Link`. Any thread may use it.
    """

    def __init__(
        self, analyses: QueueService, engine: Engine, silence_s: float, stuck_s: float
    ) -> None:
        self.silence_s, self.stuck_s = silence_s, stuck_s
        self._analyses, self._engine = analyses, engine
        self._links: dict[tuple[str, str], RemoteFeeder] = {}
        self._guard = threading.Lock()

    def come(self, asker: str, worker: str, name: str, version: str) -> RemoteFeeder:
        """A worker is there, and asks for a job.

        Raises SettingError for one of another version, FullError.
        """
        if version != lab.__version__:
            raise SettingError(
                f"the worker has lab {version}, the app has {lab.__version__}; install the same "
                "version on both"
            )
        key = (asker, worker)
        with self._guard:
            known = self._links.get(key)
            if known is None:
                if len(self._links) >= _MOST:
                    raise FullError(f"{_MOST} workers are there already; end some of them")
                known = self._links[key] = self._made(key, name)
        return known

    def claim(self, asker: str, claim_id: str) -> Claim:
        """The claim of one of its workers. Raises ClaimEndedError if it has no such claim now."""
        with self._guard:
            of_asker = [one for (who, _), one in self._links.items() if who == asker]
        for one in of_asker:
            if (claim := one.link.claim) is not None and claim.claim_id == claim_id:
                return claim
        raise ClaimEndedError(
            "this claim has ended, or the app was started again since; claim another job"
        )

    def rows(self) -> list[RemoteWorker]:
        """Those that are there, by name."""
        with self._guard:
            there = list(self._links.values())
        at = [(one.link.name, one.queued) for one in there]
        found = [RemoteWorker(name, None if job is None else job.job_id) for name, job in at]
        return sorted(found, key=lambda one: one.name)

    def counts(self) -> dict[str, int]:
        """How many are busy, and how many wait; empty if none was ever there."""
        rows = self.rows()
        busy = sum(one.job_id is not None for one in rows)
        return {"busy": busy, "waiting": len(rows) - busy} if rows else {}

    def _made(self, key: tuple[str, str], name: str) -> RemoteFeeder:
        link = Link(name, self.silence_s, self.stuck_s)
        feeder = RemoteFeeder(link, RemoteEngine(link, self._engine))
        until = self.silence_s * _GONE

        def is_gone() -> bool:
            if link.silent_s < until:
                return False
            with self._guard:
                self._links.pop(key, None)
            return True

        self._analyses.attach(feeder, is_gone)
        return feeder
