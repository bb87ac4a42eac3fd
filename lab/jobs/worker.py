"""The worker: a process that does jobs which it reads, a JSON line each, from standard input.

It answers on standard output, a JSON line for each step: `progress`, then `done`, `cancelled` or
`failed`.
It ends when its standard input closes, so it never outlives the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.detectors.make import detector_settings
from lab.detectors.models_folder import list_models
from lab.detectors.weights.fetch import fetch
from lab.errors import LabError, closest
from lab.evaluation.truth import Truth
from lab.jobs.warm import WarmDetectors
from lab.runs.progress import Progress
from lab.tuning.rule_grid import RuleGrid
from lab.video.probe import probe

_REPORT_EVERY_S = 0.25
_KINDS = (
    "analyze",
    "resume",
    "prompts",
    "describe",
    "weights",
    "models",
    "probe",
    "probes",
    "pictures",
    "playable",
    "sweep",
)
Job = dict[str, Any]
Emit = Callable[..., None]


class _Cancelled(Exception):
    """Ends a job that was cancelled, before it begins or in the middle."""


class _Worker:
    """Keeps the last job's detectors warm, so that the next job of the same kind starts at once."""

    def __init__(self) -> None:
        self._warm = WarmDetectors()
        self.cancelled: set[str] = set()

    def analyze(self, job: Job, emit: Emit) -> Job:
        """Several analyses over one decode; each is `lab.runs.analyze.Analysis` with settings."""
        from lab.runs.analyze import Analysis, analyze_all

        wanted = [dict(one) for one in job["analyses"]]
        titles = [str(one.get("name")) for one in wanted]
        made = self._warm.get([one.pop("detector") for one in wanted], job["store"], titles)
        runs = analyze_all(
            job["path"],
            [
                Analysis(detector=detector, **one)
                for detector, one in zip(made, wanted, strict=True)
            ],
            store=job["store"],
            progress=_throttled(emit),
            cancelled=lambda: job["job_id"] in self.cancelled,
        )
        return {**runs[0].summary(), "runs": [run.summary() for run in runs]}

    def prompts(self, job: Job, emit: Emit) -> Job:
        """More prompts on a finished run."""
        from lab.runs.add_prompts import add_prompts, settings_for
        from lab.runs.run import Run
        from lab.store.store import Store

        store = Store(job["store"])
        run = Run(store, job["run_id"])
        detector = None
        if run.recipe.get("prompt_mode") == "independent" and not run.log.adding:
            (detector,) = self._warm.get([settings_for(run, job["prompts"])], job["store"])
        return add_prompts(
            store,
            job["run_id"],
            job["prompts"],
            from_s=job.get("from_s"),
            detector=detector,
            progress=_throttled(emit),
            cancelled=lambda: job["job_id"] in self.cancelled,
        ).summary()

    def weights(self, job: Job, emit: Emit) -> Job:
        """Download known weights into the models folder."""

        last = 0.0

        def report(done: int, total: int | None) -> None:
            nonlocal last
            if job["job_id"] in self.cancelled:
                raise _Cancelled
            now = time.monotonic()
            if now - last >= _REPORT_EVERY_S or done == total:
                last = now
                emit(done=done, total=total)

        return {"path": str(fetch(job["weights"], report))}  # a cancelled download can be resumed

    def models(self, job: Job, emit: Emit) -> Job:
        """What is in the models folder. This hashes large files and loads runtimes."""

        return {"models": [info.to_dict() for info in list_models()]}

    def resume(self, job: Job, emit: Emit) -> Job:
        from lab.runs.analyze import resume
        from lab.store.store import Store

        store = Store(job["store"])
        row = store.run(job["run_id"])
        settings = detector_settings(row["recipe"], row["environment"])
        run = resume(
            store,
            job["run_id"],
            detector=self._warm.get([settings], job["store"])[0],
            progress=_throttled(emit),
            cancelled=lambda: job["job_id"] in self.cancelled,
        )
        return run.summary()

    def describe(self, job: Job, emit: Emit) -> Job:
        (detector,) = self._warm.get([job["detector"]], job["store"])
        return {"labels": list(detector.labels), "recipe": detector.recipe()}

    def probe(self, job: Job, emit: Emit) -> Job:
        from lab.store.store import Store
        from lab.video.browser_copy import save_pictures

        store = Store(job["store"])
        media = probe(job["path"])
        count = job.get("thumbnails", 12)
        span = max(0, media.end_us - media.first_pts_us)
        times = [media.first_pts_us + span * i // count for i in range(count)]
        save_pictures(media.path, times, store.pictures_folder(media.media_id))
        store.add_media(media, job.get("relative_path"))
        return {"media_id": media.media_id, "thumbnails": times}

    def probes(self, job: Job, emit: Emit) -> Job:
        """Many clips, each as by `probe`: its result, or as `error` why it cannot be used."""
        found: list[Job] = []
        for clip in job["clips"]:
            if job["job_id"] in self.cancelled:
                raise _Cancelled
            try:
                found.append(self.probe({**job, **clip}, emit))
            except LabError as error:
                found.append({"error": str(error)})
            except Exception as error:  # one odd file stops no others
                name, kind = Path(clip["path"]).name, type(error).__name__
                found.append({"error": f"{name}: {kind}: {error}"[:400]})
            emit(done=len(found), total=len(job["clips"]))
        return {"clips": found}

    def pictures(self, job: Job, emit: Emit) -> Job:
        from lab.store.store import Store
        from lab.video.browser_copy import save_pictures

        folder = Store(job["store"]).pictures_folder(job["media_id"])
        return {"pictures": sorted(save_pictures(job["path"], job["pts_us"], folder))}

    def sweep(self, job: Job, emit: Emit) -> Job:
        from lab.runs.run import Run
        from lab.store.store import Store
        from lab.tuning.sweep import sweep

        store = Store(job["store"])
        runs = Run.many(store, job["run_ids"])
        found = sweep(
            runs,
            Truth.from_store(store, annotator=job.get("annotator")),
            label=job["label"],
            grid=RuleGrid(**job.get("grid", {})),
            tiou=job.get("tiou", 0.5),
            base=job["rule"],
            progress=lambda done, total: emit(done=done, total=total),
            cancelled=lambda: job["job_id"] in self.cancelled,
        )
        path = store.sweep_file(job["job_id"])
        found.save(path)
        return {"path": str(path), "rules": len(found)}

    def playable(self, job: Job, emit: Emit) -> Job:
        from lab.store.store import Store
        from lab.video.browser_copy import make_playable

        out = Store(job["store"]).playable_file(job["media_id"])

        def report(done: int, total: int | None) -> None:
            if job["job_id"] in self.cancelled:
                raise _Cancelled
            emit(done=done, total=total)

        if not out.exists():
            make_playable(job["path"], out, report)
        return {"path": str(out)}


def _throttled(emit: Emit) -> Callable[[Progress], None]:
    last = 0.0

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _REPORT_EVERY_S or progress.samples == progress.total:
            last = now
            emit(
                run_id=progress.run_id,
                done=progress.samples,
                total=progress.total,
                failed=progress.failed,
                elapsed_s=progress.elapsed_s,
            )

    return report


def serve() -> int:
    """Do jobs until standard input closes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not mix with messages
    worker = _Worker()
    jobs: list[Job] = []
    arrived = threading.Condition()
    kinds = {name: getattr(worker, name) for name in _KINDS}

    def read() -> None:
        for line in sys.stdin:
            try:
                message = json.loads(line)
                message["kind"] = message.get("kind", "")
            except (ValueError, AttributeError, TypeError):
                print(f"lab worker: not a job: {line.strip()[:80]}", file=sys.stderr)
                continue
            if "cancel" in message:
                worker.cancelled.add(message["cancel"])
                continue
            with arrived:
                jobs.append(message)
                arrived.notify()
        os._exit(0)  # the parent process is gone; parts on disk are whole

    threading.Thread(target=read, daemon=True, name="jobs").start()
    while True:
        with arrived:
            while not jobs:
                arrived.wait()
            job = jobs.pop(0)

        def emit(kind: str = "progress", job: Job = job, **values: Any) -> None:
            answers.write(json.dumps({"job_id": job.get("job_id"), "kind": kind, **values}) + "\n")

        try:
            if job["kind"] not in kinds:
                raise LabError(f"unknown job {job['kind']!r}; {closest(job['kind'], list(kinds))}")
            if job.get("job_id") in worker.cancelled:
                raise _Cancelled
            emit("done", result=kinds[job["kind"]](job, emit))
        except _Cancelled:
            emit("cancelled")
        except LabError as error:
            emit("failed", error=str(error))
        except Exception as error:
            # The worker survives a fault in one job; its message is shown.
            name = Path(str(job.get("path", ""))).name
            emit("failed", error=f"{job['kind']} {name}: {type(error).__name__}: {error}"[:400])
