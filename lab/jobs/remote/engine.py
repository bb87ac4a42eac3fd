"""The engine of one worker elsewhere: analyses go to it, all else to the app's own engine."""

from __future__ import annotations

from typing import Any

from lab.jobs.batch.work import PreparedWork
from lab.jobs.cluster.engine import RayEngine
from lab.jobs.engine import Engine
from lab.jobs.job import Job
from lab.jobs.remote.clip import ClipElsewhere
from lab.jobs.remote.link import Link
from lab.store.store import Store
from lab.video.media import identify
from lab.video.remote_store import identify_remote, is_remote


class RemoteEngine(RayEngine):
    """work: what the next clips are analysed with, as the app's engine has described it.

    A job's title is the place of its clip, seen from here.
    """

    on_cluster = ("analyze", "resume")

    def __init__(self, link: Link, local: Engine) -> None:
        self._link = link
        self.work: PreparedWork | None = None
        super().__init__(link, local=local)

    def submit(self, kind: str, title: str, **payload: Any) -> Job:
        if self._closed:  # the worker is gone, and not the app
            job = Job(kind, title, payload)
            job.drop()
            return job
        return super().submit(kind, title, **payload)

    def _do(self, job: Job) -> None:
        try:
            super()._do(job)
        finally:
            self._link.end(f"the job is {job.state}")

    def _analyze(self, job: Job, **payload: Any) -> dict[str, Any]:
        payload["media_id"] = payload.get("media_id") or _identified(job.title)
        return super()._analyze(job, **payload)

    def _clip(self, job: Job, store: str) -> ClipElsewhere:
        def report(done: int, total: int | None, run_id: str | None) -> None:
            if job.begun_at is None:
                job.begun_at = 0
            job.done, job.total, job.run_id = done, total, run_id

        made = ClipElsewhere(
            self._link,
            Store(store, registrar="browser"),
            report,
            lambda: job.job_id in self._cancelled,
            is_tried_again=True,  # by the queue
            link=self._link,
            place=job.title,
        )
        if job.kind == "analyze":
            assert self.work is not None
            made.expect(self.work, job.payload.get("media_id") or _identified(job.title))
        return made


def _identified(place: str) -> str:
    return identify_remote(place) if is_remote(place) else identify(place)
