"""Two threads that feed an engine clips in turns, so that the next one begins before one has ended.

While the last frames of a clip are analysed and its log is closed, the next one is claimed, read
and decoded. A clip that is tried again has the engine to itself: if reading one kills the worker,
the one beside it fails of that once at most.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.jobs.batch.work import PreparedWork
from lab.jobs.engine import Engine
from lab.jobs.job import Job
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import QueuedJob


class Feeder:
    """One of the two. queued: the clip that it is at. job: what the engine does for that."""

    def __init__(self, engine: Engine, turn: threading.Lock) -> None:
        self.engine = engine
        self.queued: QueuedJob | None = None
        self.job: Job | None = None
        self.other = self
        self._turn = turn
        self._has_turn = False

    def claim(self, queue: JobQueue) -> QueuedJob | None:
        """The next job of a queue that is for this one."""
        return queue.claim()

    def expect(self, work: PreparedWork) -> None:
        """What is done next is of this work."""

    def settle(self, queued: QueuedJob, queue: JobQueue) -> None:
        """A job that it was at has ended, or waits again."""

    @classmethod
    def pair(cls, engine: Engine) -> list[Feeder]:
        turn = threading.Lock()
        one, two = cls(engine, turn), cls(engine, turn)
        one.other, two.other = two, one
        return [one, two]

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nothing else is begun on this engine until the end of the block, or `submit` says so."""
        self._turn.acquire()
        self._has_turn = True
        try:
            yield
        finally:
            self._end_turn()

    def submit(self, kind: str, title: str, **payload: Any) -> Job:
        """Have the engine do something for the clip, and wait until it has ended."""
        is_alone = self.queued is None or self.queued.tries > 0
        if is_alone and (before := self.other.job) is not None:
            before.finished.wait()
        job = self.job = self.engine.submit(kind, title, **payload)
        if kind == "analyze" and not is_alone:
            job.decoded.wait()
            self._end_turn()
        job.finished.wait()
        self.job = None
        return job

    def cancel(self) -> None:
        if (job := self.job) is not None:
            self.engine.cancel(job.job_id)

    def _end_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turn.release()
