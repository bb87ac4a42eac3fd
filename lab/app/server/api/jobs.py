"""`/api/jobs`: analyses in the durable queue of the store."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lab.app.server.access import limits_of
from lab.app.server.api.new_job import NewJob, clip_of_job, shown_work, work_of_job
from lab.app.server.api.route import StrictRoute, as_json
from lab.app.server.api.shared import (
    READS,
    Analyst,
    Cursor,
    Here,
    Limit,
    Page,
    Utc,
    at_utc,
    cursor_of,
    key_at,
    page,
)
from lab.app.server.state import AppState
from lab.app.server.threads import run_in_threadpool
from lab.errors import ConflictError, NotFoundError
from lab.jobs.queue.asked import Asked
from lab.jobs.queue.named_jobs import MOST_PRIORITY
from lab.jobs.queue.queued_job import QueuedJob
from lab.jobs.queue.queued_job import State as QueueState

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=StrictRoute)
State = Literal["pending", "running", "done", "failed", "cancelled"]
_QUEUE_STATES: dict[State, QueueState] = {
    "pending": "waiting", "running": "running", "done": "done", "failed": "failed",
    "cancelled": "cancelled",
}  # fmt: skip
_STATES = {theirs: ours for ours, theirs in _QUEUE_STATES.items()}
_MOST_ID = 2**53
JobId = Annotated[int, Path(ge=1, le=_MOST_ID)]
Key = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="The same key with the same body gives the same job, also after a restart.",
    ),
]


class Job(BaseModel):
    """An analysis of one clip: pending, running, then done, failed or cancelled.

    tries: how often it failed of what may pass; it is tried again 2, 4 and 8 s later.
    """

    job_id: int
    state: State
    reason: str | None = Field(description="Why it failed, or what there is to say of it.")
    is_stopping: bool = Field(description="It runs, and was asked to stop.")
    media_id: str | None
    path: str
    priority: int
    tries: int
    done_samples: int | None
    total_samples: int | None
    samples_per_s: float | None
    seconds: float | None = Field(description="What it took.")
    run_ids: list[str]
    was_there: bool = Field(description="Its runs were in the store already.")
    added_utc: Utc | None
    changed_utc: Utc | None
    not_before_utc: Utc | None = Field(description="When it is tried again.")
    work: dict[str, Any] | None = Field(description="What is done, as the queue keeps it.")


class JobChanges(BaseModel):
    """Jobs of a higher priority come first; the usual one is 0."""

    model_config = ConfigDict(extra="forbid")

    priority: int = Field(ge=-MOST_PRIORITY, le=MOST_PRIORITY)


class Summary(BaseModel):
    """How many jobs are in each state."""

    pending: int
    running: int
    done: int
    failed: int
    cancelled: int
    is_paused: bool
    problem: str | None = Field(description="Why nothing goes on, if something is in the way.")


@router.post("", status_code=202, summary="Have a clip analysed")
async def add_job(
    given: NewJob,
    request: Request,
    response: Response,
    here: Here,
    asker: Analyst,
    idempotency_key: Key = None,
) -> Job:
    """The job is in the queue, and survives a restart; `Location` says where to ask for it.

    The same work on the same file is one job, but with `reuse: false`: 409 while that is stopping.
    429 beyond `max_jobs_per_token`.
    """
    most = limits_of(request).max_jobs_per_token
    said = given.model_dump(exclude_defaults=True)  # as before, when there are more settings
    digest = hashlib.sha256(as_json(said).encode()).hexdigest()
    asked = Asked(asker.key, most, idempotency_key, digest)

    def start() -> Job:
        queue = here.analyses.queue
        if queue is not None and (known := queue.asked_for(asked)) is not None:
            here.analyses.go_on()
            return _job(here, known)  # whatever became of its clip, its rule and its service
        work, clip = work_of_job(here, given), clip_of_job(here, given)
        (job_id,) = here.analyses.start([clip], work, priority=given.priority, asked=asked)
        return _job(here, job_id)

    job = await run_in_threadpool(start)
    response.headers["Location"] = f"{request.scope['root_path']}/jobs/{job.job_id}"
    return job


@router.get("", dependencies=READS, summary="Jobs, the newest first")
async def list_jobs(
    here: Here,
    limit: Limit = 100,
    cursor: Cursor = None,
    state: Annotated[list[State] | None, Query()] = None,
) -> Page[Job]:
    asked = state or list(get_args(State))
    after = key_at(cursor, (int,), "jobs", asked)
    before = None if after is None else after[0]

    def read() -> list[Job]:
        queue = here.analyses.queue
        if queue is None:
            return []
        found = queue.newest([_QUEUE_STATES[one] for one in asked], limit + 1, before)
        works = queue.work([one.work_id for one in found])
        return [job_of(one, works.get(one.work_id)) for one in found]

    jobs = await run_in_threadpool(read)
    last = [jobs[min(limit, len(jobs)) - 1].job_id] if jobs else []
    return page(jobs, limit, cursor_of(last, "jobs", asked))  # type: ignore[return-value]


@router.get("/summary", dependencies=READS, summary="How many jobs are in each state")
async def summary(here: Here) -> Summary:
    def read() -> Summary:
        queue = here.analyses.queue
        counts = {} if queue is None else queue.counts()
        return Summary(
            **{ours: counts.get(theirs, 0) for ours, theirs in _QUEUE_STATES.items()},
            is_paused=queue is not None and queue.is_paused,
            problem=here.analyses.problem,
        )

    return await run_in_threadpool(read)


@router.get("/{job_id}", dependencies=READS, summary="One job")
async def get_job(job_id: JobId, here: Here) -> Job:
    return await run_in_threadpool(_job, here, job_id)


@router.delete("/{job_id}", summary="Cancel a job that has not ended; what was logged is kept")
async def cancel_job(job_id: JobId, here: Here, asker: Analyst) -> Job:
    """409 for a job that has ended."""

    def cancel() -> Job:
        job = _job(here, job_id)
        assert here.analyses.queue is not None
        if not here.analyses.queue.cancel([job_id]):
            raise ConflictError(
                f"job {job_id} is {job.state}; only what has not ended is cancelled"
            )
        return _job(here, job_id)

    return await run_in_threadpool(cancel)


@router.patch("/{job_id}", summary="Change a job's priority")
async def change_job(job_id: JobId, changes: JobChanges, here: Here, asker: Analyst) -> Job:
    def change() -> Job:
        _job(here, job_id)
        assert here.analyses.queue is not None
        here.analyses.queue.set_priority([job_id], changes.priority)
        return _job(here, job_id)

    return await run_in_threadpool(change)


@router.post("/{job_id}/retry", status_code=202, summary="Try a failed or cancelled job again")
async def retry_job(job_id: JobId, request: Request, here: Here, asker: Analyst) -> Job:
    """409 for a job that did neither, 429 beyond `max_jobs_per_token`."""
    asked = Asked(asker.key, limits_of(request).max_jobs_per_token)

    def retry() -> Job:
        job = _job(here, job_id)
        assert here.analyses.queue is not None
        if not here.analyses.queue.retry([job_id], asked):
            raise ConflictError(f"job {job_id} is {job.state}; it did not fail")
        here.analyses.go_on()
        return _job(here, job_id)

    return await run_in_threadpool(retry)


def _job(here: AppState, job_id: int) -> Job:
    queue = here.analyses.queue
    found = [] if queue is None else queue.jobs("job_id = ?", job_id)
    if not found or queue is None:
        raise NotFoundError(f"the queue has no job {job_id}")
    (one,) = found
    return job_of(one, queue.work([one.work_id]).get(one.work_id))


def job_of(one: QueuedJob, work: dict[str, Any] | None) -> Job:
    """A job of the queue as the API says it."""
    is_waiting = one.state == "waiting"
    return Job(
        job_id=one.job_id,
        state=_STATES[one.state],
        reason=one.reason,
        is_stopping=one.is_stopping,
        media_id=one.media_id or one.clip_id,
        path=one.path,
        priority=one.priority,
        tries=one.tries,
        done_samples=one.done,
        total_samples=one.total,
        samples_per_s=one.rate_hz,
        seconds=one.seconds,
        run_ids=list(one.run_ids),
        was_there=one.was_there,
        added_utc=at_utc(one.added),
        changed_utc=at_utc(one.changed or None),
        not_before_utc=at_utc(one.not_before or None) if is_waiting else None,
        work=work and shown_work(work),
    )
