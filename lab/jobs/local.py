"""Workers on this machine: a process for analyses, one for tuning, downloads, pictures and copies.

Each process keeps its model between jobs. If a worker dies, its job fails with a readable
reason, and the next job starts a new worker. Workers end when this process does.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from typing import Any

from lab.errors import JobError
from lab.jobs.engine import Engine
from lab.jobs.job import Job

_PROCESSES = dict.fromkeys(("analyze", "resume", "describe", "prompts"), "analysis") | {
    "sweep": "tuning",
    "weights": "downloads",
}
_KEPT_JOBS = 200
_CLOSE_TIMEOUT_S = 5.0
# Small and flat: few heaps for many threads, and no allocator beside the system's.
_LEAN = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}


class LocalEngine(Engine):
    """Takes jobs, runs them in order, one at a time in each process."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._guard = threading.Lock()
        self._processes: dict[str, WorkerProcess] = {}
        self._closed = False

    def submit(self, kind: str, title: str, **payload: Any) -> Job:
        job = Job(kind, title, payload)
        with self._guard:
            if self._closed:
                raise JobError(f"{title}: the app's engine is closed; start the app again")
            self._jobs[job.job_id] = job
            for old in list(self._jobs)[:-_KEPT_JOBS]:
                if not self._jobs[old].is_active:
                    del self._jobs[old]
            name = _process_name(kind)
            process = self._processes.get(name)
            if process is None:
                process = self._processes[name] = WorkerProcess(name)
            process.put(job)
        return job

    def jobs(self) -> list[Job]:
        with self._guard:
            return list(self._jobs.values())[::-1]

    def job(self, job_id: str) -> Job | None:
        with self._guard:
            return self._jobs.get(job_id)

    def cancel(self, job_id: str) -> None:
        job = self.job(job_id)
        if job is not None and not job.drop() and job.is_active:
            self._processes[_process_name(job.kind)].cancel(job)

    def close(self) -> None:
        with self._guard:
            self._closed = True
        for job in self.jobs():
            job.drop()
        for process in self._processes.values():
            process.close()


def _process_name(kind: str) -> str:
    return _PROCESSES.get(kind, "media")


class WorkerProcess:
    """A worker process and the jobs that wait for it."""

    def __init__(self, name: str) -> None:
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None
        self._cancelled: set[str] = set()
        self._writing = threading.Lock()
        threading.Thread(target=self._serve, name=f"process-{name}", daemon=True).start()

    def put(self, job: Job) -> None:
        self._queue.put(job)

    def cancel(self, job: Job) -> None:
        """Tell the worker to stop with a job that has begun."""
        self._cancelled.add(job.job_id)  # before it is sent, for a worker that is starting now
        with contextlib.suppress(OSError):
            self._send({"cancel": job.job_id})

    def close(self) -> None:
        self._queue.put(None)
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_CLOSE_TIMEOUT_S)

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.begin():
                self._do(job)
                self._cancelled.discard(job.job_id)

    def _do(self, job: Job) -> None:
        try:
            process = self._ensure_process()
            self._send({"job_id": job.job_id, "kind": job.kind, **job.payload})
            if job.job_id in self._cancelled:  # while the worker was being started
                self._send({"cancel": job.job_id})
            assert process.stdout is not None
            for line in process.stdout:
                if self._handle_message(job, json.loads(line)):
                    return
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and self._process is None:
                job.end("failed", f"the worker could not be started: {error}")
                return
            # Otherwise it died while being written to, or in the middle of a line.
        job.end("failed", self._exit_reason(job))

    def _handle_message(self, job: Job, message: dict[str, Any]) -> bool:
        """Whether the job has ended."""
        if message["job_id"] != job.job_id:
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
            job.end("failed", message["error"])
        return True

    def _exit_reason(self, job: Job) -> str:
        assert self._process is not None
        code = self._process.wait()
        self._process = None
        how = f"ended with code {code}"
        if code < 0:
            how = f"was killed ({signal.Signals(-code).name})"
        after = "; the run is interrupted and can be resumed" if job.run_id else ""
        if job.kind == "prompts":
            after = "; what was found is kept: add these prompts again on the page Tune to go on"
        return f"the worker {how}{after}"

    def _ensure_process(self) -> subprocess.Popen[str]:
        """The worker, started in the current folder, so that paths mean the same to it."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lab", "worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=_environment(),
            )
        return self._process

    def _send(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with self._writing:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()


def _environment() -> dict[str, str]:
    """This process's, and where `lab` is if it is not installed: the worker runs the same code."""
    environment = {**_LEAN, **os.environ}
    root = str(Path(__file__).resolve().parents[2])
    if root not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        paths = [root, *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment
