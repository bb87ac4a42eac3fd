"""Workers on this machine: one process for analyses, one for pictures and copies.

Each process keeps its model between jobs. A worker that dies is a failed job with a readable
reason; the next job starts a new one. Workers end when this process does.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from lab.jobs.job import Job

_PROCESSES = dict.fromkeys(("analyze", "resume", "describe", "prompts"), "analysis") | {
    "sweep": "tuning",
    "weights": "downloads",
}
_KEPT_JOBS = 200
# Small and flat: few heaps for many threads, and no allocator beside the system's.
_LEAN = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}


class LocalEngine:
    """Takes jobs, runs them in order, one at a time in each process."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._guard = threading.Lock()
        self._lanes: dict[str, WorkerProcess] = {}

    def submit(self, kind: str, title: str, **payload: Any) -> Job:
        job = Job(kind, title, payload)
        with self._guard:
            self._jobs[job.job_id] = job
            for old in list(self._jobs)[:-_KEPT_JOBS]:
                if not self._jobs[old].is_active:
                    del self._jobs[old]
            name = _PROCESSES.get(kind, "media")
            process = self._lanes.setdefault(name, WorkerProcess(name))
        process.put(job)
        return job

    def jobs(self) -> list[Job]:
        """Newest first."""
        with self._guard:
            return list(self._jobs.values())[::-1]

    def job(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def cancel(self, job_id: str) -> None:
        """A queued job is dropped; a running one stops after its present batch."""
        job = self._jobs.get(job_id)
        if job is not None and job.state == "queued":
            job.end("cancelled")
        elif job is not None and job.state == "running":
            self._lanes[_PROCESSES.get(job.kind, "media")].cancel(job)

    def close(self) -> None:
        """End the workers that this engine started."""
        for process in self._lanes.values():
            process.close()


class WorkerProcess:
    """A worker process and the jobs that wait for it."""

    def __init__(self, name: str) -> None:
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None
        self._cancelled: set[str] = set()
        self._speaking = threading.Lock()
        threading.Thread(target=self._serve, name=f"process-{name}", daemon=True).start()

    def put(self, job: Job) -> None:
        self._queue.put(job)

    def cancel(self, job: Job) -> None:
        self._cancelled.add(job.job_id)
        with contextlib.suppress(OSError):
            self._send({"cancel": job.job_id})

    def close(self) -> None:
        self._queue.put(None)
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.state == "queued":
                self._do(job)

    def _do(self, job: Job) -> None:
        job.state, job.started = "running", time.monotonic()
        try:
            process = self._ensure_process()
            self._send({"job_id": job.job_id, "kind": job.kind, **job.payload})
            assert process.stdout is not None
            for line in process.stdout:
                if self._handle_message(job, json.loads(line)):
                    return
        except OSError as error:
            job.end("failed", f"the worker could not be reached: {error}")
            return
        except ValueError:
            pass  # half a line: it died while it was speaking
        job.end("failed", self._exit_reason(job))

    def _handle_message(self, job: Job, answer: dict[str, Any]) -> bool:
        """Whether the job has ended."""
        if answer["job_id"] != job.job_id:
            return False
        if answer["kind"] == "progress":
            job.done = answer.get("done", job.done)
            if job.begun_at is None:
                job.begun_at = job.done
            job.total = answer.get("total", job.total)
            job.run_id = answer.get("run_id", job.run_id)
            return False
        if answer["kind"] == "done":
            job.result = answer["result"]
            job.run_id = answer["result"].get("run_id", job.run_id)
            if job.total and job.job_id not in self._cancelled:
                job.done = job.total  # a quick run ends between two reports
            job.end("cancelled" if job.job_id in self._cancelled else "done")
        else:
            job.end("failed", answer["error"])
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
            after = "; what was seen is kept: go on with these prompts on Tune"
        return f"the worker {how}{after}"

    def _ensure_process(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lab", "worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**_LEAN, **os.environ},
                cwd=Path(__file__).resolve().parents[2],
            )
        return self._process

    def _send(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with self._speaking:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
