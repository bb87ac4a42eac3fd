"""The contract of an engine: where jobs run."""

from __future__ import annotations

from typing import Any, Protocol

from lab.jobs.job import Job


class Engine(Protocol):
    """Takes jobs and has workers do them; pages and routes use only this.

    Jobs of one kind are done in the order in which they were submitted. A job ends in exactly one
    of the states `done`, `failed` and `cancelled`, and never leaves it; then its `finished` event
    is set. A worker that dies, or gives no sign of life, is a failed job with a reason, and the
    next job gets another worker.
    All methods may be called from any thread, and none waits for a job, except `close`.
    """

    def submit(self, kind: str, title: str, **payload: Any) -> Job:
        """Queue a job, and give it back at once.

        kind: one that `lab.jobs.worker` knows; an unknown one is a failed job. title: for
        people. payload: what the worker is given, values of JSON.

        Raises JobError if the engine is closed.
        """
        ...

    def jobs(self) -> list[Job]:
        """Newest first: all that are queued or running, and the last ones that have ended."""
        ...

    def job(self, job_id: str) -> Job | None:
        """A job by its id; None if it is unknown, or ended so long ago that it was dropped."""
        ...

    def cancel(self, job_id: str) -> None:
        """Have a job stop, at any instant of its life.

        A queued job never begins. A running one stops at its next step, and keeps what it did; if
        it had done everything by then, it may end as done. One that does not stop within some
        seconds is ended with its worker, and its `error` says so; what was logged is kept. An
        unknown id, or a job that has ended, changes nothing.
        """
        ...

    def close(self) -> None:
        """End the workers. Queued jobs are cancelled, running ones end as failed."""
        ...
