"""Takes jobs from the queue for one worker elsewhere."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from lab.errors import LabError
from lab.jobs.batch.feeder import Feeder
from lab.jobs.batch.work import PreparedWork
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import QueuedJob
from lab.jobs.remote.engine import RemoteEngine
from lab.jobs.remote.link import Link

_AT = "at the worker "
_MOMENT_S = 0.5  # in which a worker that has ended a clip asks for the next one
_FORGET_S = 600.0  # after which a work that a worker left to others is offered to it again


class RemoteFeeder(Feeder):
    """Claims only while the worker waits for a job, and no work that it cannot do."""

    def __init__(self, link: Link, engine: RemoteEngine) -> None:
        super().__init__(engine, threading.Lock())
        self.link, self._remote = link, engine
        self._said = ""  # of where the job is
        self.looked = 0  # times that nothing was there for the worker while it waited
        self._left: dict[str, float] = {}  # works, and when
        self._left_jobs: dict[int, float] = {}

    def claim(self, queue: JobQueue) -> QueuedJob | None:
        if not self.link.is_asking(_MOMENT_S):
            return None
        now = time.monotonic()
        self._left = {one: at for one, at in self._left.items() if now - at < _FORGET_S}
        self._left_jobs = {one: at for one, at in self._left_jobs.items() if now - at < _FORGET_S}
        self.link.unfit = None
        found = queue.claim(but_works=self._left, but_jobs=self._left_jobs)
        self.looked += found is None
        if found is not None:
            self._said = f"{_AT}{self.link.name}"
            if found.reason and not found.reason.startswith(_AT):
                self._said += f"; before that: {found.reason}"
            with suppress(LabError):  # it is done all the same
                queue.say_where(found.job_id, self._said)
        return found

    def expect(self, work: PreparedWork) -> None:
        self._remote.work = work

    def settle(self, queued: QueuedJob, queue: JobQueue) -> None:
        queue.leave(queued, self._said)
        if (reason := self.link.unfit) is not None:
            self._left[queued.work_id] = self._left_jobs[queued.job_id] = time.monotonic()
            queue.say_why(queued.job_id, reason)
