"""The jobs that an engine remembers: all that are queued or running, and the last that ended."""

from __future__ import annotations

import threading

from lab.jobs.job import Job

_KEPT = 200


class KeptJobs:
    """In the order in which they came. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._guard = threading.Lock()

    def add(self, job: Job) -> None:
        """Remember one more, and forget the oldest that ended, if there are many."""
        with self._guard:
            self._jobs[job.job_id] = job
            for old in list(self._jobs)[:-_KEPT]:
                if not self._jobs[old].is_active:
                    del self._jobs[old]

    def newest_first(self) -> list[Job]:
        with self._guard:
            return list(self._jobs.values())[::-1]

    def get(self, job_id: str) -> Job | None:
        with self._guard:
            return self._jobs.get(job_id)
