"""Workers on this machine: a process each for analyses, tuning, downloads, annotated videos, and
one for pictures and copies.

Each process keeps its model between jobs. If a worker dies, or does not answer, its job ends with a
readable reason, and the next job starts a new worker. Workers end when this process does.
"""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from lab.child_process import Message, WorkerProcess, lab_environment
from lab.errors import JobError
from lab.jobs.engine import Engine
from lab.jobs.job import Job
from lab.jobs.kept_jobs import KeptJobs
from lab.silence import SILENCE_S, Silence

_PROCESSES = dict.fromkeys(("analyze", "resume", "describe", "prepare", "prompts"), "analysis") | {
    "sweep": "tuning",
    "annotate": "annotating",
    "weights": "downloads",
}
_CLOSE_TIMEOUT_S = 5.0
_POLL_S = 0.25
STOP_S = 7.0  # with the time to end it, a cancelled job ends within 10 s
# Small and flat: few heaps for many threads, and no allocator beside the system's.
_LEAN = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}


class LocalEngine(Engine):
    """Takes jobs, runs them in order, one at a time in each process.

    trust: whether jobs may name any detector; without it, only what a page may ask for (see
    `lab.detectors.trust.check_allowed`). stop_s: how long a cancelled job may go on until its
    worker is ended. silence_s: how long a worker may give no sign of life, and use no processor
    time, until it is ended; it gives one every second, whatever it does. threads: how many a model
    may use in each process; by default as many as there are cores. is_apart: Ctrl+C in a terminal
    does not reach the workers.
    """

    def __init__(
        self,
        *,
        trust: bool = False,
        stop_s: float = STOP_S,
        silence_s: float = SILENCE_S,
        threads: int | None = None,
        is_apart: bool = False,
    ) -> None:
        command = [sys.executable, "-m", "lab", "worker", *(["--trust"] if trust else [])]
        self._limits = (stop_s, silence_s)
        self._start = partial(WorkerProcess, command, is_apart=is_apart)
        self._threads = threads
        self._jobs = KeptJobs()
        self._guard = threading.Lock()
        self._processes: dict[str, _OneProcess] = {}
        self._closed = False

    def submit(self, kind: str, title: str, **payload: Any) -> Job:
        job = Job(kind, title, payload)
        with self._guard:
            if self._closed:
                raise JobError(f"{title}: the app's engine is closed; start the app again")
            self._jobs.add(job)
            name = _process_name(job)
            if name not in self._processes:
                self._processes[name] = _OneProcess(name, self._start_worker, *self._limits)
            self._processes[name].put(job)
        return job

    def jobs(self) -> list[Job]:
        return self._jobs.newest_first()

    def job(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def cancel(self, job_id: str) -> None:
        job = self.job(job_id)
        if job is None:
            return
        process = self._processes[_process_name(job)]
        if job.drop():
            process.drop(job)
        elif job.is_active:
            process.cancel(job)

    def _start_worker(self) -> WorkerProcess:
        """In the current folder, so that paths mean the same to it."""
        environment = {**_LEAN, **lab_environment()}
        if self._threads is not None:
            environment.setdefault("OMP_NUM_THREADS", str(self._threads))
        return self._start(environment)

    def close(self) -> None:
        with self._guard:
            self._closed = True
        for job in self.jobs():
            job.drop()
        for process in self._processes.values():
            process.close()


def _process_name(job: Job) -> str:
    if job.kind == "follow":  # for as long as an upload takes: nothing else waits behind it
        return f"upload-{job.payload.get('follower', 0)}"
    return _PROCESSES.get(job.kind, "media")


class _OneProcess:
    """A worker process, one after another, and the jobs that wait for it."""

    def __init__(
        self, name: str, start: Callable[[], WorkerProcess], stop_s: float, silence_s: float
    ) -> None:
        self._start, self._stop_s, self._silence_s = start, stop_s, silence_s
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._worker: WorkerProcess | None = None
        self._is_busy = False
        self._cancelled: dict[str, float] = {}  # when, on the monotonic clock
        threading.Thread(target=self._serve, name=f"process-{name}", daemon=True).start()

    def put(self, job: Job) -> None:
        if (worker := self._worker) is not None and self._is_busy:
            worker.send({"next": _message(job)})
        self._queue.put(job)

    def drop(self, job: Job) -> None:
        """It will not be done; the worker may have begun to read its clip."""
        if (worker := self._worker) is not None:
            worker.send({"cancel": job.job_id})

    def cancel(self, job: Job) -> None:
        """Tell the worker to stop with a job that has begun."""
        # Before it is sent, for a worker that is starting now.
        self._cancelled.setdefault(job.job_id, time.monotonic())
        if (worker := self._worker) is not None:
            worker.send({"cancel": job.job_id})

    def close(self) -> None:
        self._queue.put(None)
        if (worker := self._worker) is not None:
            worker.close(_CLOSE_TIMEOUT_S)

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.begin():
                self._is_busy = True
                self._do(job)
                self._is_busy = False
                self._cancelled.pop(job.job_id, None)

    def _do(self, job: Job) -> None:
        try:
            worker = self._running_worker()
        except OSError as error:
            job.end("failed", f"the worker could not be started: {error}")
            return
        worker.send(_message(job))
        if job.job_id in self._cancelled:  # while the worker was being started
            worker.send({"cancel": job.job_id})
        watch = Silence(worker.cpu_ticks, self._silence_s)
        try:
            while True:
                message = worker.receive(_POLL_S)
                if message is not None and self._handle_message(job, message):
                    return
                if self._is_overdue(job):
                    self._end_worker(worker)
                    job.end(
                        "cancelled",
                        f"the worker did not stop within {self._stop_s:g} s and was ended"
                        + _what_is_left(job),
                    )
                    return
                if watch.is_hung(message is not None):
                    self._end_worker(worker)
                    job.end(
                        "failed",
                        f"the worker gave no sign of life for {self._silence_s:g} s and was ended"
                        + _what_is_left(job),
                    )
                    return
        except EOFError:
            job.end("failed", self._exit_reason(worker, job))

    def _is_overdue(self, job: Job) -> bool:
        since = self._cancelled.get(job.job_id)
        return since is not None and time.monotonic() - since > self._stop_s

    def _end_worker(self, worker: WorkerProcess) -> None:
        worker.end()
        self._worker = None

    def _handle_message(self, job: Job, message: Message) -> bool:
        """Whether the job has ended."""
        if message["job_id"] != job.job_id or message["kind"] == "alive":
            return False
        if message.get("decoded"):
            job.decoded.set()
            return False
        if message["kind"] == "progress":
            job.done = message.get("done", job.done)
            if job.begun_at is None:
                job.begun_at = job.done
            job.total = message.get("total", job.total)
            job.run_id = message.get("run_id", job.run_id)
            return False
        if message["kind"] == "done":
            job.result = message["result"]
            job.run_id = message["result"].get("run_id", job.run_id)
            if job.total and job.job_id not in self._cancelled:
                job.done = job.total  # a quick run ends between two reports
            job.end("cancelled" if job.job_id in self._cancelled else "done")
        elif message["kind"] == "cancelled":
            job.end("cancelled")
        else:
            job.error_type = message.get("error_type")
            job.end("failed", message["error"])
        return True

    def _exit_reason(self, worker: WorkerProcess, job: Job) -> str:
        code = worker.wait()
        self._worker = None
        how = f"ended with code {code}"
        if code < 0:
            how = f"was killed ({signal.Signals(-code).name})"
        return f"the worker {how}{_what_is_left(job)}"

    def _running_worker(self) -> WorkerProcess:
        if self._worker is None or self._worker.has_ended:
            self._worker = self._start()
        return self._worker


def _message(job: Job) -> Message:
    return {"job_id": job.job_id, "kind": job.kind, **job.payload}


def _what_is_left(job: Job) -> str:
    """The end of a message about a worker that is gone."""
    if job.kind == "prompts":
        return "; what was found is kept: add these prompts again in Review to go on"
    return "; what was logged is kept, and the run can be resumed" if job.run_id else ""
