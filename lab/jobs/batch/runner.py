"""Workers side by side, which take clips from the queue until every clip of the batch has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lab import errors
from lab.errors import LabError, StoreError
from lab.jobs.batch.clip_job import ClipJob, Known
from lab.jobs.batch.feeder import Feeder
from lab.jobs.batch.work import PreparedWork, Work
from lab.jobs.engine import Engine
from lab.jobs.job import Job
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import QueuedJob, State
from lab.store.store import Store

_TICK_S = 0.2
_BEAT_S = 1.0
_POLL_S = 0.2


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is. counts: clips by state. running: path, samples done and in all, a clip.
    rate_hz: samples a second of all workers. is_paused: nothing new begins until `lab jobs go-on`.
    """

    counts: Mapping[State, int]
    running: list[tuple[str, int, int | None]]
    rate_hz: float
    is_paused: bool

    @property
    def ended(self) -> int:
        return sum(self.counts[state] for state in ("done", "failed", "cancelled"))

    @property
    def total(self) -> int:
        return sum(self.counts.values())


Report = Callable[[BatchProgress], None]


class Runner:
    """Does the jobs of a queue's scope; a context manager that ends its workers.

    work: what to do. engines: a clip at a time each; the first loads the detectors at once.
    Raises SettingError, DetectorError or StoreError if the detectors or the rule cannot be used.
    """

    def __init__(self, store: Store, work: Work, engines: Sequence[Engine]) -> None:
        self._store = store
        self._engines = engines
        pairs = [Feeder.pair(engine) for engine in engines]
        self._feeders = [one for each in zip(*pairs, strict=True) for one in each]
        self._stopping = threading.Event()
        self._cancelled: set[int] = set()
        self._fatal: BaseException | None = None
        self.queue: JobQueue
        self._known: Known
        try:
            self.work = PreparedWork(work, self._prepare(work))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        for engine in self._engines:
            engine.close()

    def run(self, queue: JobQueue, report: Report | None = None) -> str | None:
        """Until every clip of the scope has ended; why it stopped before, None if it did not.

        Raises KeyboardInterrupt, after what ran was stopped and waits again.
        """
        self.queue = queue
        self._known = Known(self._store, self.work.protocols)
        queue.free_the_dead()
        queue.redo_unless(set(self._known.values()))
        left = queue.counts("job_id IN scope")
        needed = max(1, min(len(self._feeders), left["waiting"] + left["running"]))
        threads = [
            threading.Thread(target=self._serve, args=[one], name=f"batch-{i}", daemon=True)
            for i, one in enumerate(self._feeders[:needed])
        ]
        for thread in threads:
            thread.start()
        try:
            self._watch(threads, report)
        finally:
            self._stopping.set()
            self._stop_all(threads)
        if self._fatal is not None and not isinstance(self._fatal, LabError):
            raise self._fatal
        return None if self._fatal is None else str(self._fatal)

    def _prepare(self, work: Work) -> list[dict[str, Any]]:
        job = self._engines[0].submit(
            "prepare",
            "detectors",
            analyses=list(work.analyses),
            store=str(self._store.folder),
            secrets=work.secrets,
        )
        job.finished.wait()
        if job.result is None:
            kind = getattr(errors, job.error_type or "", LabError)
            raise kind(job.error or "the worker did not begin")
        return list(job.result["detectors"])

    # In the threads of the feeders

    def _serve(self, feeder: Feeder) -> None:
        try:
            while True:
                with feeder.turn():
                    if self._stopping.is_set():
                        return
                    feeder.queued = self.queue.claim()
                    if feeder.queued is not None:
                        self._do(feeder, feeder.queued)
                        feeder.queued = None
                    elif self._is_settled():
                        return
                    else:
                        self._stopping.wait(_POLL_S)
        except BaseException as error:
            self._fatal = self._fatal or error
            self._stopping.set()

    def _do(self, feeder: Feeder, queued: QueuedJob) -> None:
        def submit(kind: str, **payload: Any) -> Job:
            return feeder.submit(kind, queued.path, store=str(self._store.folder), **payload)

        ClipJob(
            queued,
            self.queue,
            self._store,
            self.work,
            self._known,
            submit,
            lambda: queued.job_id in self._cancelled,
        ).run()

    def _is_settled(self) -> bool:
        left = self.queue.counts("job_id IN scope AND state IN ('waiting', 'running')")
        return not left["waiting"] and not left["running"]

    # In the thread that called `run`

    def _watch(self, threads: list[threading.Thread], report: Report | None) -> None:
        beaten = 0.0
        try:
            while any(thread.is_alive() for thread in threads):
                if time.monotonic() - beaten >= _BEAT_S:
                    beaten = time.monotonic()
                    self._beat()
                shown = time.monotonic()
                if report is not None:
                    report(self._progress())
                # Counting many thousand clips takes a while: at most a twentieth of the time.
                if self._stopping.wait(max(_TICK_S, 20 * (time.monotonic() - shown))):
                    return
            if report is not None:
                report(self._progress())  # as it ended
        except StoreError as error:
            self._fatal = error

    def _beat(self) -> None:
        at = {one.queued.job_id: one for one in self._feeders if one.queued is not None}
        far = {
            job_id: (job.done, job.total, job.rate_hz) if (job := one.job) else (0, None, None)
            for job_id, one in at.items()
        }
        lost, cancelled = self.queue.beat(far)
        self._cancelled |= cancelled
        for job_id in (lost | cancelled) & set(at):
            at[job_id].cancel()

    def _progress(self) -> BatchProgress:
        running, rate = [], 0.0
        for one in self._feeders:
            queued, job = one.queued, one.job
            if queued is not None and job is not None and job.started is not None:
                running.append((queued.path, job.done, job.total))
                rate += job.rate_hz
        counts = self.queue.counts("job_id IN scope")
        return BatchProgress(counts, running, rate, self.queue.is_paused)

    def _stop_all(self, threads: list[threading.Thread]) -> None:
        """What runs stops at its next sample and keeps what it has; the job waits again."""
        while any(thread.is_alive() for thread in threads):
            for one in self._feeders:
                with suppress(KeyError):
                    one.cancel()
            for thread in threads:
                thread.join(_TICK_S)
