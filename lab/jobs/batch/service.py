"""The analyses that are started in the app: done for as long as it runs, from the store's queue."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.errors import JobError, LabError, StoreDamagedError
from lab.jobs.batch.clip_job import PASSING, ClipJob, DiskFullError, Known, ResumeJob, StoppedError
from lab.jobs.batch.engine_group import usual_workers
from lab.jobs.batch.feeder import Feeder
from lab.jobs.batch.work import PreparedWork, Work
from lab.jobs.engine import Engine
from lab.jobs.job import Job
from lab.jobs.local import LocalEngine
from lab.jobs.queue.asked import Asked
from lab.jobs.queue.file import FILE_NAME
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import QueuedJob, Stamp
from lab.registry import in_words
from lab.score_log.recipe import recipe_hash
from lab.store.store import Store

_BEAT_S = 1.0
_POLL_S = 1.0  # what another process does to the queue is seen by then
_PAUSE_S = 5.0  # until the queue or the disk is tried again
_END_S = 8.0
Where = Callable[[QueuedJob], Path | str]


@dataclass(frozen=True)
class QueuedClip:
    """clip_id: media_id of the clip that was chosen; None where a path was."""

    path: str
    stamp: Stamp
    clip_id: str | None = None


class QueueService:
    """The app's part of a store's queue. What it is at when the app ends waits for the next one.

    engine: the app's, which is shared with what pages ask for. workers: clips that are analysed on
    this machine at once; None for as many as pay, 0 to leave all to others (`attach`). where: the
    file of a job's clip, or its address, if the app may open it; raises LabError.
    problem: why nothing goes on, None if nothing is in the way. All may be called from any thread;
    what reads or changes the queue raises StoreError.
    """

    def __init__(
        self, store: Store, engine: Engine, where: Where, *, workers: int | None = None
    ) -> None:
        self.problem: str | None = None
        self.workers = usual_workers() if workers is None else workers
        self._store, self._where = store, where
        self._first = Feeder.pair(engine) if self.workers else []
        self._feeders = list(self._first)
        self._engines: list[Engine] = []  # beside the app's
        self._queue: JobQueue | None = None
        self._notes: list[str] = []
        self._guard = threading.RLock()
        self._wake = threading.Condition()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._cancelled: set[int] = set()
        self._left: list[QueuedJob] = []
        self._known: tuple[str, PreparedWork, Known] | None = None

    # For pages

    @property
    def queue(self) -> JobQueue | None:
        """The queue; None while nothing was ever queued in this store."""
        with self._guard:
            if self._queue is None and (self._store.folder / FILE_NAME).exists():
                self._open()
            return self._queue

    @property
    def notes(self) -> list[str]:
        """What was done about a damaged file."""
        return list(self._notes)

    def start(
        self,
        clips: Iterable[QueuedClip],
        work: Work,
        *,
        priority: int = 0,
        asked: Asked | None = None,
    ) -> list[int]:
        """Queue clips; the ids of their jobs. Those that are done already are looked at again.

        asked: by whom, where jobs are counted; see `lab.jobs.queue.asked`.
        """
        return self._add(replace(work, is_app=True).to_dict(), clips, priority, asked)

    def resume(self, run_id: str, clip: QueuedClip) -> int:
        """Queue a run to be gone on with; the id of its job."""
        return self._add({"by": "app", "resume": run_id}, [clip])[0]

    def live(self) -> dict[int, Job]:
        """What the workers are at, by the id of the queue's job."""
        at = [(one.queued, one.job) for one in self._feeders]
        return {queued.job_id: job for queued, job in at if queued is not None and job is not None}

    def attach(self, feeder: Feeder, is_gone: Callable[[], bool]) -> None:
        """Let somebody else take jobs, too, until `is_gone()`; then its engine is closed."""
        self._begin()
        thread = threading.Thread(
            target=self._serve_while_there, args=[feeder, is_gone], name="queue-other", daemon=True
        )
        with self._guard:
            self._feeders = [*self._feeders, feeder]
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
            thread.start()

    def go_on(self) -> None:
        """Begin with what waits from before, if anything does, and look at the queue now."""
        if self.queue is not None:
            self._begin()
        with self._wake:
            self._wake.notify_all()

    def close(self) -> None:
        """Stop at the next sample; what is not done waits for the next start of the app."""
        self._stopping.set()
        with self._wake:
            self._wake.notify_all()
        until = time.monotonic() + _END_S
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < until:
            for one in self._feeders:
                one.cancel()
            for thread in self._threads:
                thread.join(0.1)
        for engine in self._engines:
            engine.close()
        with self._guard:
            if self._queue is not None:
                self._queue.close()

    def _add(
        self,
        what: Mapping[str, Any],
        clips: Iterable[QueuedClip],
        priority: int = 0,
        asked: Asked | None = None,
    ) -> list[int]:
        some = list(clips)
        with self._guard:
            if self._queue is None:
                self._open()
            assert self._queue is not None
            added = self._queue.add(
                "app-" + recipe_hash(dict(what)),
                what,
                [(one.path, one.stamp) for one in some],
                priority=priority,
                clip_ids={one.path: one.clip_id for one in some if one.clip_id},
                again=True,
                asked=asked,
            )
        self._known = None  # weights may have been changed since
        self.go_on()
        return added

    def _open(self) -> None:
        self._queue = JobQueue(self._store.folder, is_app=True)
        if self._queue.note is not None:
            self._notes.append(self._queue.note)

    def _begin(self) -> None:
        with self._guard:
            if self._threads or self._stopping.is_set():
                return
            threads = max(1, (os.cpu_count() or 1) // max(1, self.workers))
            self._engines = [LocalEngine(threads=threads) for _ in range(self.workers - 1)]
            self._feeders += [one for each in self._engines for one in Feeder.pair(each)]
            self._threads = [
                threading.Thread(target=self._serve, args=[one], name=f"queue-{i}", daemon=True)
                for i, one in enumerate(self._feeders)
            ]
            self._threads.append(threading.Thread(target=self._watch, name="leases", daemon=True))
            for thread in self._threads:
                thread.start()

    # In the threads of the feeders

    def _serve(self, feeder: Feeder) -> None:
        while not self._stopping.is_set():
            with feeder.turn():
                if not self._stopping.is_set():
                    self._serve_one(feeder)

    def _serve_while_there(self, feeder: Feeder, is_gone: Callable[[], bool]) -> None:
        try:
            while not self._stopping.is_set() and not is_gone():
                with feeder.turn():
                    self._serve_one(feeder)
        finally:
            with self._guard:
                self._feeders = [one for one in self._feeders if one is not feeder]
            feeder.engine.close()

    def _claim(self, feeder: Feeder) -> QueuedJob | None:
        is_beside = any(feeder.engine is one for one in self._engines)
        if is_beside and not any(one.queued for one in self._first):
            return None  # the app's own engine comes first
        return None if self.queue is None else feeder.claim(self._held())

    def _serve_one(self, feeder: Feeder) -> None:
        try:
            self._give_back()
            feeder.queued = self._claim(feeder)
            if feeder.queued is None:
                self._rest(_POLL_S)
            else:
                self._cancelled.discard(feeder.queued.job_id)
                self._do(feeder, feeder.queued)
                feeder.settle(feeder.queued, self._held())
                self.problem = None
        except JobError:  # the app is ending
            self._stopping.set()
            self._give_back(feeder.queued)
        except DiskFullError as error:
            self.problem = f"{error.reason}; make room, and the queue goes on by itself"
            self._rest(_PAUSE_S)
        except (LabError, OSError) as error:
            self._give_back(feeder.queued)
            self._recover(error)
        except Exception as error:  # a fault in one clip stops no others
            self._end(feeder.queued, in_words(error))
        finally:
            feeder.queued = None

    def _held(self) -> JobQueue:
        with self._guard:
            if self._queue is None:
                self._open()
            assert self._queue is not None
            return self._queue

    def _rest(self, seconds: float) -> None:
        with self._wake:
            if not self._stopping.is_set():
                self._wake.wait(seconds)

    def _give_back(self, queued: QueuedJob | None = None) -> None:
        """Let a job that was not ended wait again; where that cannot be written, later."""
        self._left += [] if queued is None else [queued]
        with suppress(LabError):
            while self._left:
                self._held().put_back(self._left[-1], after_s=_PAUSE_S)
                self._left.pop()

    def _end(self, queued: QueuedJob | None, reason: str) -> None:
        if queued is not None:
            with suppress(LabError):
                self._held().finish(queued.job_id, "failed", reason=reason)

    def _recover(self, error: Exception) -> None:
        """The queue could not be read or written."""
        if self._stopping.is_set():
            return
        self.problem = f"{error}; the queue goes on by itself when that is over"
        if isinstance(error, StoreDamagedError):
            with self._guard, suppress(LabError):
                if self._queue is not None:
                    self._queue.close()
                self._open()
                self.problem = None
        self._rest(_PAUSE_S)

    def _do(self, feeder: Feeder, queued: QueuedJob) -> None:
        queue, begun = self._held(), time.monotonic()
        what = queue.work([queued.work_id])[queued.work_id]
        try:
            here = self._at_its_place(queued)
        except LabError as error:
            queue.finish(queued.job_id, "failed", reason=str(error))
            return

        def submit(kind: str, **payload: Any) -> Job:
            return self._submit(feeder, kind, queued.path, **payload)

        def is_cancelled() -> bool:
            return queued.job_id in self._cancelled

        if "resume" in what:
            nothing = PreparedWork(Work([]), [])
            known = Known(self._store, [""])
            one = ResumeJob(here, queue, self._store, nothing, known, submit, is_cancelled)
            one.run_id = what["resume"]
            one.run()
            return
        try:
            work, known = self._prepared(queued.work_id, Work.from_dict(what), submit)
        except StoppedError:
            queue.put_back(queued)
        except _PreparationError as error:
            if error.may_pass:
                queue.fail_for_now(queued, str(error), time.monotonic() - begun)
            else:
                queue.fail_work(queued.work_id, str(error))
        else:
            feeder.expect(work)
            ClipJob(here, queue, self._store, work, known, submit, is_cancelled).run()

    def _at_its_place(self, queued: QueuedJob) -> QueuedJob:
        """With the path that its clip has now. Raises LabError."""
        path = str(self._where(queued))
        if path == queued.path:
            return queued
        return replace(queued, path=path, stamp=Stamp())

    def _submit(self, feeder: Feeder, kind: str, title: str, **payload: Any) -> Job:
        """Have the worker do something, and wait for it. Raises StoppedError, JobError."""
        job = feeder.submit(kind, title, store=str(self._store.folder), **payload)
        if self._stopping.is_set() and job.state != "done":
            raise StoppedError
        return job

    def _prepared(
        self, work_id: str, work: Work, submit: Callable[..., Job]
    ) -> tuple[PreparedWork, Known]:
        """The recipes of a work's detectors, and the runs that are there."""
        kept = self._known
        if kept is None or kept[0] != work_id:
            job = submit("prepare", analyses=list(work.analyses), secrets={})
            if job.state == "cancelled":
                raise StoppedError
            if job.result is None:
                raise _PreparationError(job.error or job.state, job.error_type in PASSING)
            try:
                prepared = PreparedWork(work, job.result["detectors"])
            except LabError as error:  # a rule that does not fit
                raise _PreparationError(str(error), False) from None
            kept = self._known = (
                work_id,
                prepared,
                Known(self._store, prepared.protocols, work.since),
            )
        if work.is_current:
            kept[1].use_current(self._store)
        return kept[1], kept[2]

    # In the thread of the leases

    def _watch(self) -> None:
        said: str | None = None
        while not self._stopping.wait(_BEAT_S):
            try:
                if self.queue is not None:
                    self.beat()
            except (LabError, OSError):  # a feeder says so
                pass
            except Exception as error:  # without this thread others would take what is held
                said = self.problem = (
                    f"jobs of the queue could not be renewed: {in_words(error)}; it is tried again "
                    "each second"
                )
            else:
                if said is not None and self.problem == said:
                    self.problem = said = None

    def beat(self) -> None:
        """Renew what is held, take back what others have lost, and stop what was cancelled."""
        at = {job.job_id: one for one in self._feeders if (job := one.queued) is not None}
        far = {
            job_id: (own.done, own.total, own.rate_hz) if (own := one.job) else (0, None, None)
            for job_id, one in at.items()
        }
        lost, cancelled = self._held().beat(far)
        self._cancelled |= cancelled
        for job_id in (lost | cancelled) & set(at):
            at[job_id].cancel()


class _PreparationError(Exception):
    """The detectors of a work cannot be used. may_pass: the next time they may."""

    def __init__(self, reason: str, may_pass: bool) -> None:
        super().__init__(reason)
        self.may_pass = may_pass
