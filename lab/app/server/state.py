"""What routes and pages share in the app process: settings, workers, and cached runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lab.app.server.annotations import AnnotationCache
from lab.app.server.computations import Computation, Computations, Report
from lab.app.server.live_status import LiveStatus
from lab.app.server.network import Network
from lab.app.server.result import result_of
from lab.app.server.run_cache import RunCache, log_stamp, whole_stamp
from lab.app.server.undoable import UndoableChanges
from lab.app.server.uploads.service import Uploads
from lab.app.server.watching import WatchingProcess
from lab.config import Config, load_config
from lab.errors import LabError, NotFoundError, SourceError
from lab.jobs.batch.service import QueueService
from lab.jobs.engine import Engine
from lab.jobs.job import Job
from lab.jobs.local import LocalEngine
from lab.jobs.queue.queued_job import QueuedJob
from lab.jobs.remote.workers import RemoteWorkers
from lab.rules.most_at_once import most_at_once
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.score_log import spans
from lab.sighting import Sighting
from lab.store.store import Store
from lab.video.identity import identity_problem
from lab.video.remote_store import is_remote

_MAX_BYTES = 256 * 2**20  # of logs with their boxes
_MAX_SCORE_BYTES = 768 * 2**20  # of scores alone: some 20,000 clips of five minutes


class AppState:
    """One per process; holds no lock and opens no catalog between calls.

    feeds: a file of feeds that this process has watched besides those made on pages.
    """

    def __init__(self, config: Config, feeds: Path | None = None) -> None:
        self.config = config
        self.store = Store(config.store, registrar="browser")
        self.engine: Engine = LocalEngine()
        self.analyses = QueueService(
            self.store, self.engine, self.file_of_job, workers=config.local_workers
        )
        self.workers = RemoteWorkers(
            self.analyses,
            self.engine,
            float(config.limits.worker_silence_s),
            float(config.limits.worker_stuck_s),
        )
        self.uploads = Uploads(self.store, self.engine, config)
        self.retry_after_s = 10.0  # pause before a failed picture or copy is requested again
        self.truth = AnnotationCache(self.store)
        self.playheads: dict[str, float] = {}  # last playhead of each run, seconds
        self.computations = Computations()
        self.network = Network()
        self.changes = UndoableChanges()
        self.live = LiveStatus(self.store.folder)
        self.watching = WatchingProcess(self.store.folder, feeds)
        self._cache = RunCache(_MAX_BYTES, _MAX_SCORE_BYTES)
        self._whole_stamps: dict[str, str] = {}
        self._media: dict[str, dict[str, Any]] = {}
        self._wanted: dict[tuple[str, int], Job] = {}
        self._copies: dict[str, Job] = {}
        self._guard = threading.Lock()

    def run(self, run_id: str) -> Run:
        """A run with its log in memory, read again only when its parts or state have changed.

        Raises NotFoundError if the store has no such run.
        """
        stamp, whole = self.log_stamp(run_id), whole_stamp(self.run_folder(run_id))
        run = self._cache.get(run_id, stamp)
        if run is None or not run.has_boxes or self._whole_stamps.get(run_id) != whole:
            before, run = self._cache.last(run_id, stamp), Run(self.store, run_id)
            if before is not None and self._whole_stamps.get(run_id) == whole:
                run.adopt_log(before)  # of a run that goes on, and has not grown
            _ = run.log
            self._cache.keep([(stamp, run)])
            self._whole_stamps[run_id] = whole
        return run

    def run_folder(self, run_id: str) -> Path:
        """The folder of a run's log. Raises NotFoundError if the store has no such run."""
        folder = self.store.log_folder(run_id)
        is_name = folder.name == run_id != ".." and folder.parent == self.store.folder / "logs"
        if not is_name or not folder.is_dir():
            raise NotFoundError(f"no run {run_id!r} in this store")
        return folder

    def runs(self, run_ids: list[str]) -> list[Run]:
        """Many runs, with one query of the catalog for those that are not cached.

        Their logs are read when they are needed, and kept without their boxes.
        """
        stamps = {run_id: self.log_stamp(run_id) for run_id in run_ids}
        found = {run_id: self._cache.get(run_id, stamp) for run_id, stamp in stamps.items()}
        missing = [run_id for run_id, run in found.items() if run is None]
        if missing:
            found |= {run.run_id: run for run in Run.many(self.store, missing)}
            self._cache.keep((stamps[run_id], run) for run_id, run in found.items() if run)
        return [run for run_id in run_ids if (run := found[run_id]) is not None]

    def log_stamp(self, run_id: str) -> object:
        """Changes with the log of a run. Raises NotFoundError if there is none."""
        try:
            return log_stamp(self.run_folder(run_id))
        except OSError:
            raise NotFoundError(f"no run {run_id!r} in this store") from None

    def scores(self, run_ids: list[str]) -> Computation:
        """Read the scores of many runs, in the background."""

        def read(report: Report) -> None:
            runs = self.runs(run_ids)
            for i, run in enumerate(runs):
                _ = run.scores_log
                if i % 50 == 0:
                    report(i, len(runs))
            self._cache.keep([])

        stamps = tuple(map(self.log_stamp, run_ids))
        return self.computations.get(("scores", hash(stamps)), "Reading the score logs", read)

    def expect(self, run_id: str, state: str) -> None:
        """Drop a cached run whose state differs from `state`, the catalog's."""
        self._cache.expect(run_id, state)

    def known_media(self, media_id: str) -> dict[str, Any] | None:
        """A clip's row if it is cached, without a look at the catalog."""
        return self._media.get(media_id)

    def media(self, media_id: str) -> dict[str, Any]:
        """A clip's row, cached until `forget`."""
        if media_id not in self._media:
            self._media[media_id] = self.store.media(media_id)
        return self._media[media_id]

    def checked_media(self, media_id: str) -> tuple[dict[str, Any], str | None]:
        """A clip's row, and why its file must not be shown as that clip, if so."""
        problem = identity_problem(self.media(media_id))
        if problem is not None:  # it may have been relinked by another process
            self.forget(media_id)
            problem = identity_problem(self.media(media_id))
        return self.media(media_id), problem

    def copy_error(self, media_id: str) -> str | None:
        """Why the last copy of a clip for the browser could not be made."""
        job = self._copies.get(media_id)
        return job.error if job is not None and job.state == "failed" else None

    def _registrar(self, media_id: str) -> str | None:
        try:
            return self.media(media_id).get("registered_by")
        except NotFoundError:
            return None

    def forget(self, media_id: str) -> None:
        """Drop a cached clip that was edited or moved."""
        self._media.pop(media_id, None)

    def clip_file(self, media: Mapping[str, Any]) -> Path:
        """The file of a clip, if the app may open it; whether it exists is another question.

        It may lie in the media_roots or among the uploads, links resolved, or anywhere if a user
        named it on the command line or in a notebook. Raises ForbiddenError.
        """
        path = Path(media["path"])
        if media.get("registered_by") == "user":
            return path
        return self.config.allowed(path, self.store.uploads_folder)

    def address_of(self, media: Mapping[str, Any]) -> str | None:
        """The place in an object store of a clip that a user named on the command line or in a
        notebook; None of a file.
        """
        is_there = is_remote(media["path"]) and media.get("registered_by") == "user"
        return str(media["path"]) if is_there else None

    def file_of_job(self, queued: QueuedJob) -> Path | str:
        """Where the clip of a queued job lies now, a file or an address of an object store.

        Raises LabError if the app may not open it.
        """
        if queued.clip_id is None:
            return self.config.allowed(queued.path, self.store.uploads_folder)
        self.forget(queued.clip_id)
        media = self.media(queued.clip_id)
        if (address := self.address_of(media)) is not None:
            return address
        file = self.clip_file(media)
        if problem := identity_problem(media, reads=False):
            raise SourceError(problem)
        return file

    def close(self) -> None:
        """Stop the workers and the feeds; what is not done waits for the next start."""
        feeds = threading.Thread(target=self.watching.close)  # both take seconds
        feeds.start()
        self.uploads.close()
        self.analyses.close()
        self.engine.close()
        feeds.join()

    def want_pictures(self, media_id: str, path: str, pts_us: list[int]) -> None:
        """Request pictures from a worker; they are there when the page is next rendered.

        None of a file that the app may not open.
        """
        now, folder = time.monotonic(), self.store.pictures_folder(media_id)
        with self._guard:
            missing = [
                t
                for t in pts_us
                if self._may_request(self._wanted.get((media_id, t)), now)
                and not (folder / f"{t}.jpg").exists()
            ]
            if not missing:
                return
            try:
                file = self.clip_file({"registered_by": self._registrar(media_id), "path": path})
            except LabError:
                return
            job = self.engine.submit(
                "pictures",
                f"pictures of {media_id}",
                store=str(self.store.folder),
                media_id=media_id,
                path=str(file),
                pts_us=missing,
            )
            self._wanted.update({(media_id, t): job for t in missing})

    def want_copy(self, media: dict[str, Any]) -> Job:
        """The job that makes a clip's copy for the browser; a failed one is tried again later.

        Raises ForbiddenError.
        """
        media_id, path = media["media_id"], self.clip_file(media)
        with self._guard:
            job = self._copies.get(media_id)
            if self._may_request(job, time.monotonic()):
                job = self._copies[media_id] = self.engine.submit(
                    "playable",
                    f"copy of {media['name']} for the browser",
                    media_id=media_id,
                    path=str(path),
                    store=str(self.store.folder),
                )
        assert job is not None
        return job

    def may_request(self, job: Job | None) -> bool:
        """Whether there was no such job, or it ended long enough ago to be tried again."""
        return self._may_request(job, time.monotonic())

    def _may_request(self, job: Job | None, now: float) -> bool:
        """Whether there was no such job, or it ended at least `retry_after_s` ago."""
        return job is None or (job.ended is not None and now - job.ended >= self.retry_after_s)

    def replay(
        self, run_id: str, rule: Rule, *, tiou: float = 0.5, annotator: str | None = None
    ) -> dict[str, Any]:
        """Sightings and figures of a rule, as JSON for the player.

        tiou, annotator: for the figures against the annotations.
        """
        run = self.run(run_id)
        sightings = run.find(rule)
        most = most_at_once(sightings, run.log, rule, media=run.media)
        effort = run.effort()
        hours = effort.analysed_s / 3600
        return {
            "run_id": run.run_id,
            "sightings": [
                s.to_dict() | {"most_at_once": n} for s, n in zip(sightings, most, strict=True)
            ],
            "rule_hash": rule.rule_hash,
            "result": result_of(run_id, rule, sightings),
            "interval_s": run.sample_interval_s,
            "truth": self.truth.figures(run, rule, tiou=tiou, annotator=annotator),
            "figures": {
                **_figures(sightings, most, hours),
                "by_label": _figures_by_label(sightings, most, hours),
                **effort.to_dict(),
            },
        }


def _figures_by_label(
    sightings: list[Sighting], most: list[int], hours: float
) -> list[dict[str, Any]]:
    by_label: dict[str, tuple[list[Sighting], list[int]]] = {}
    for s, n in zip(sightings, most, strict=True):
        found, counts = by_label.setdefault(s.label, ([], []))
        found.append(s)
        counts.append(n)
    return [{"label": label, **_figures(*by_label[label], hours)} for label in sorted(by_label)]


def _figures(sightings: list[Sighting], most: list[int], hours: float) -> dict[str, Any]:
    """most: the largest number of boxes at once of each sighting."""
    alerts = sum(s.alert_us is not None for s in sightings)
    return {
        "sightings": len(sightings),
        "presence_s": _union_s([(s.onset_us, s.offset_us) for s in sightings]),
        "presence_most_s": _union_s([(s.onset_earliest_us, s.offset_latest_us) for s in sightings]),
        "alerts": alerts,
        "alerts_per_hour": alerts / hours if hours else None,
        "most_at_once": max(most, default=0),
    }


def _union_s(spans_us: list[tuple[int, int]]) -> float:
    """Seconds that lie in at least one span."""
    return spans.total_us(spans.union(spans_us)) / 1e6


@cache
def app_state() -> AppState:
    """The state of this process. Raises LabError if a setting is not valid."""
    return AppState(load_config())
