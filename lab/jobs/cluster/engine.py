"""The engine `ray`: analyses run on a cluster, all other jobs in processes on this machine.

A worker of the cluster is given clips and gives back logs. Only this process touches the store.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import Any

import lab
from lab.annotation import utc_now
from lab.config import load_config
from lab.detectors.trust import check_allowed
from lab.errors import JobError, LabError
from lab.jobs.cluster.clip import PIECE_SAMPLES, ClipOnCluster, checked
from lab.jobs.cluster.connection import Cluster
from lab.jobs.cluster.order import Order, TakesOrders
from lab.jobs.cluster.tasks import LostError, Share, Stopped
from lab.jobs.engine import Engine
from lab.jobs.job import Job
from lab.jobs.kept_jobs import KeptJobs
from lab.jobs.local import LocalEngine
from lab.runs.resume import resume_order
from lab.store.store import Store


class RayEngine(Engine):
    """One clip at a time on a cluster; a batch has as many of these as clips go at once.

    cluster: shared with others, who close it; without one it is made from `address`, and closed
    with this engine. local: does all other jobs, and belongs to others; without one it is made, and
    closed with this engine. trust: as of `LocalEngine`. piece_samples: a long clip is split into
    stretches of so many samples, and into so many `parts`, where it is long enough. warm: on how
    many more places of the cluster the detectors are loaded at once, before they get clips.
    """

    on_cluster: tuple[str, ...] = ("analyze", "resume", "prepare")

    def __init__(
        self,
        cluster: TakesOrders | None = None,
        *,
        local: Engine | None = None,
        address: str | None = None,
        share: Share | None = None,
        cores: int | None = None,
        trust: bool = False,
        piece_samples: int = PIECE_SAMPLES,
        parts: int = 1,
        warm: int = 0,
    ) -> None:
        self._cluster: TakesOrders = cluster or Cluster(address, share=share, cores=cores)
        self._owns_cluster = cluster is None
        self._trust, self._piece_samples = trust, piece_samples
        self._parts, self._warm = parts, warm
        self._local = local or LocalEngine(trust=trust, is_apart=True)
        self._owns_local = local is None
        self._jobs = KeptJobs()
        self._cancelled: set[str] = set()
        self._guard = threading.Lock()
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="cluster", daemon=True)
        self._thread.start()

    def submit(self, kind: str, title: str, **payload: Any) -> Job:
        with self._guard:
            if self._closed:
                raise JobError(f"{title}: the engine is closed; make another one")
            if kind in self.on_cluster:
                job = Job(kind, title, payload)
                self._queue.put(job)
            else:
                job = self._local.submit(kind, title, **payload)
            self._jobs.add(job)
        return job

    def jobs(self) -> list[Job]:
        return self._jobs.newest_first()

    def job(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def cancel(self, job_id: str) -> None:
        job = self.job(job_id)
        if job is None:
            return
        if job.kind not in self.on_cluster:
            self._local.cancel(job_id)
        elif not job.drop() and job.is_active:
            self._cancelled.add(job_id)

    def close(self) -> None:
        with self._guard:
            was_closed, self._closed = self._closed, True
        if was_closed:
            return
        for job in self.jobs():
            job.drop()
            if job.is_active and job.kind in self.on_cluster:
                self._cancelled.add(job.job_id)
        self._queue.put(None)
        if self._owns_local:
            self._local.close()
        self._thread.join()
        if self._owns_cluster:
            self._cluster.close()

    # In the thread of this engine

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.begin():
                self._do(job)
                self._cancelled.discard(job.job_id)

    def _do(self, job: Job) -> None:
        try:
            result = getattr(self, f"_{job.kind}")(job, **job.payload)
        except Stopped:
            job.end("cancelled")
        except LostError as error:
            job.end("failed", str(error))  # without a type: it may pass
        except LabError as error:
            job.error_type = getattr(error, "kind", type(error).__name__)
            job.end("failed", str(error))
        except Exception as error:
            job.error_type = type(error).__name__
            job.end("failed", f"{job.kind} {job.title}: {type(error).__name__}: {error}"[:400])
        else:
            job.result = result
            job.run_id = result.get("run_id", job.run_id)
            if job.total and result.get("state") == "done":
                job.done = job.total
            is_left = result.get("state") in ("cancelled", "interrupted")
            job.end("cancelled" if is_left or job.job_id in self._cancelled else "done")

    def _prepare(
        self,
        job: Job,
        *,
        analyses: Sequence[dict[str, Any]],
        store: str,
        secrets: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        self._check_allowed(analyses)
        order = Order(lab.__version__, analyses, secrets=secrets or {})
        self._cluster.warm(order, self._warm)
        (answer,) = self._cluster.run([order], lambda: job.job_id in self._cancelled)
        return {
            "detectors": [
                {
                    "labels": list(one.labels),
                    "recipe": dict(one.recipe),
                    "default_threshold": one.default_threshold,
                }
                for one in checked(answer).detectors
            ]
        }

    def _analyze(
        self,
        job: Job,
        *,
        path: str,
        analyses: Sequence[dict[str, Any]],
        store: str,
        reuse: bool = False,
        rules: Sequence[Any] | None = None,
        media_id: str | None = None,
    ) -> dict[str, Any]:
        from lab.jobs.batch.work import AppliedRule

        self._check_allowed(analyses)
        begun = utc_now()
        runs, _ = self._clip(job, store).analyze(path, analyses, reuse=reuse, media_id=media_id)
        was_there = all(run.row["created_utc"] < begun for run in runs)
        for run, kept in zip(runs, rules or [None] * len(runs), strict=True):
            rule = AppliedRule.from_dict(kept)
            if rule is not None and run.state == "done":
                rule.save(run)
        return {
            **runs[0].summary(),
            "runs": [run.summary() for run in runs],
            "was_there": was_there,
        }

    def _resume(
        self, job: Job, *, run_id: str, store: str, detector: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        settings, sampling, recipe = resume_order(Store(store), run_id)
        self._check_allowed([{"detector": settings}])
        run = self._clip(job, store).resume(run_id, detector or settings, sampling, recipe)
        return run.summary()

    def _clip(self, job: Job, store: str) -> ClipOnCluster:
        def report(done: int, total: int | None, run_id: str | None) -> None:
            if job.begun_at is None:
                job.begun_at = 0
            job.done, job.total, job.run_id = done, total, run_id

        kept = Store(store, registrar="user" if self._trust else "browser")
        return ClipOnCluster(
            self._cluster,
            kept,
            report,
            lambda: job.job_id in self._cancelled,
            self._piece_samples,
            self._parts,
        )

    def _check_allowed(self, analyses: Sequence[dict[str, Any]]) -> None:
        """Raises SettingError for what nobody who uses the app may ask for."""
        if not self._trust:
            services = load_config().services
            for one in analyses:
                check_allowed(one["detector"], services)
