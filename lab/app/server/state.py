"""What routes and pages share in the app process: settings, workers, and cached runs."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from functools import cache
from typing import Any

from lab.app.server.annotations import AnnotationCache
from lab.config import Config, load_config
from lab.errors import SettingError
from lab.jobs.engine import Engine
from lab.jobs.job import Job
from lab.jobs.local import LocalEngine
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.score_log import spans
from lab.score_log.score_log import log_fingerprint
from lab.sighting import Sighting
from lab.store.store import Store

_KEPT_ROWS = 6_000_000  # samples and detections: some 200 MB


class AppState:
    """One per process; holds no lock and opens no catalog between calls."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.store)
        self.engine: Engine = LocalEngine()
        self.retry_after_s = 10.0  # pause before a failed picture or copy is requested again
        self.truth = AnnotationCache(self.store)
        self.playheads: dict[str, float] = {}  # last playhead of each run, seconds
        self._runs: OrderedDict[str, tuple[Any, Run]] = OrderedDict()
        self._media: dict[str, dict[str, Any]] = {}
        self._wanted: dict[tuple[str, int], Job] = {}
        self._copies: dict[str, Job] = {}
        self._guard = threading.Lock()

    def run(self, run_id: str) -> Run:
        """A run with its log in memory, read again only when its parts or state have changed.

        Raises SettingError if the store has no such run.
        """
        folder = self.store.log_folder(run_id)
        if not folder.is_dir() or folder.parent != self.store.folder / "logs":
            raise SettingError(f"no run {run_id!r} in this store")
        with self._guard:
            cached = self._runs.get(run_id)
            fingerprint = log_fingerprint(folder)
            is_same = cached is not None and cached[0] == fingerprint
            if cached is not None and is_same and cached[1].state != "running":
                self._runs.move_to_end(run_id)
                return cached[1]
        run = Run(self.store, run_id)
        if cached is not None and is_same:
            run.adopt_log(cached[1])
        return self._keep(fingerprint, run)

    def runs(self, run_ids: list[str]) -> list[Run]:
        """Many runs, with one query of the catalog for those that are not cached."""
        with self._guard:
            missing = [i for i in run_ids if i not in self._runs]
        for run in Run.many(self.store, missing) if missing else []:
            self._keep(log_fingerprint(self.store.log_folder(run.run_id)), run)
        return [self.run(run_id) for run_id in run_ids]

    def _keep(self, fingerprint: Any, run: Run) -> Run:
        _ = run.log
        with self._guard:
            self._runs[run.run_id] = (fingerprint, run)
            rows = [len(kept.log.pts_us) + len(kept.log.sample) for _, kept in self._runs.values()]
            while len(rows) > 1 and sum(rows) > _KEPT_ROWS:
                self._runs.popitem(last=False)
                rows.pop(0)
        return run

    def expect(self, run_id: str, state: str) -> None:
        """Drop a cached run whose state differs from `state`, the catalog's."""
        with self._guard:
            if run_id in self._runs and self._runs[run_id][1].state != state:
                del self._runs[run_id]

    def media(self, media_id: str) -> dict[str, Any]:
        """A clip's row, cached until `forget`."""
        if media_id not in self._media:
            self._media[media_id] = self.store.media(media_id)
        return self._media[media_id]

    def forget(self, media_id: str) -> None:
        """Drop a cached clip that was edited or moved."""
        self._media.pop(media_id, None)

    def want_pictures(self, media_id: str, path: str, pts_us: list[int]) -> None:
        """Request pictures from a worker; they are there when the page is next rendered."""
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
            job = self.engine.submit(
                "pictures",
                f"pictures of {media_id}",
                store=str(self.store.folder),
                media_id=media_id,
                path=path,
                pts_us=missing,
            )
            self._wanted.update({(media_id, t): job for t in missing})

    def want_copy(self, media: dict[str, Any]) -> Job:
        """The job that makes a clip's copy for the browser; a failed one is tried again later."""
        media_id = media["media_id"]
        with self._guard:
            job = self._copies.get(media_id)
            if self._may_request(job, time.monotonic()):
                job = self._copies[media_id] = self.engine.submit(
                    "playable",
                    f"copy of {media['name']} for the browser",
                    media_id=media_id,
                    path=media["path"],
                    store=str(self.store.folder),
                )
        assert job is not None
        return job

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
        effort = run.effort()
        hours = effort.analysed_s / 3600
        return {
            "run_id": run.run_id,
            "sightings": [s.to_dict() for s in sightings],
            "rule_hash": rule.rule_hash,
            "interval_s": run.sample_interval_s,
            "truth": self.truth.figures(run, rule, tiou=tiou, annotator=annotator),
            "figures": {
                **_figures(sightings, hours),
                "by_label": [
                    {"label": label, **_figures([s for s in sightings if s.label == label], hours)}
                    for label in sorted({s.label for s in sightings})
                ],
                **effort.to_dict(),
            },
        }


def _figures(sightings: list[Sighting], hours: float) -> dict[str, Any]:
    alerts = sum(s.alert_us is not None for s in sightings)
    return {
        "sightings": len(sightings),
        "presence_s": _union_s([(s.onset_us, s.offset_us) for s in sightings]),
        "presence_most_s": _union_s([(s.onset_earliest_us, s.offset_latest_us) for s in sightings]),
        "alerts": alerts,
        "alerts_per_hour": alerts / hours if hours else None,
    }


def _union_s(spans_us: list[tuple[int, int]]) -> float:
    """Seconds that lie in at least one span."""
    return spans.total_us(spans.union(spans_us)) / 1e6


@cache
def app_state() -> AppState:
    """The state of this process. Raises LabError if a setting is not valid."""
    return AppState(load_config())
