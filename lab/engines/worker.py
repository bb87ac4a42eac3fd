"""The worker: a process that does jobs which it reads, a JSON line each, from standard input.

It answers on standard output, a JSON line for each step: `progress`, then `done` or `failed`.
It ends when its standard input closes, so it never outlives who started it.
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

from lab.errors import LabError, closest
from lab.pipeline import Progress

_REPORT_EVERY_S = 0.25
_KINDS = ("analyze", "resume", "describe", "probe", "pictures", "playable", "sweep")
Job = dict[str, Any]
Say = Callable[..., None]


class _Worker:
    """Keeps the last detector warm, so that the next job of the same kind starts at once."""

    def __init__(self) -> None:
        self._settings: str | None = None
        self._detector: Any = None
        self.cancelled: set[str] = set()

    def detector(self, settings: dict[str, Any]) -> Any:
        from lab.analysis import make_detector

        key = json.dumps(settings, sort_keys=True)
        if key != self._settings:
            if self._detector is not None:
                self._detector.close()
            self._settings, self._detector = None, None
            self._detector = make_detector(**settings)
            self._settings = key
        return self._detector

    def analyze(self, job: Job, say: Say) -> Job:
        from lab.analysis import analyze

        run = analyze(
            job["path"],
            detector=self.detector(job["detector"]),
            every_s=job["every_s"],
            store=job["store"],
            progress=_throttled(say),
            cancelled=lambda: job["job_id"] in self.cancelled,
        )
        return run.summary()

    def resume(self, job: Job, say: Say) -> Job:
        from lab.analysis import detector_settings, resume
        from lab.store.store import Store

        store = Store(job["store"])
        row = store.run(job["run_id"])
        settings = detector_settings(row["recipe"], row["environment"].get("weights_path"))
        run = resume(
            store,
            job["run_id"],
            detector=self.detector(settings),
            progress=_throttled(say),
            cancelled=lambda: job["job_id"] in self.cancelled,
        )
        return run.summary()

    def describe(self, job: Job, say: Say) -> Job:
        detector = self.detector(job["detector"])
        return {"labels": list(detector.labels), "recipe": detector.recipe()}

    def probe(self, job: Job, say: Say) -> Job:
        from lab.media import probe
        from lab.playable import save_pictures
        from lab.store.store import Store

        store = Store(job["store"])
        media = probe(job["path"])
        count = job.get("thumbnails", 12)
        span = max(0, media.end_us - media.first_pts_us)
        times = [media.first_pts_us + span * i // count for i in range(count)]
        save_pictures(media.path, times, store.pictures_folder(media.media_id))
        store.add_media(media, job.get("relative_path"))
        return {"media_id": media.media_id, "thumbnails": times}

    def pictures(self, job: Job, say: Say) -> Job:
        from lab.playable import save_pictures
        from lab.store.store import Store

        folder = Store(job["store"]).pictures_folder(job["media_id"])
        return {"pictures": sorted(save_pictures(job["path"], job["pts_us"], folder))}

    def sweep(self, job: Job, say: Say) -> Job:
        from lab.run import Run
        from lab.store.store import Store
        from lab.truth import Truth
        from lab.tuning.rule_grid import Grid
        from lab.tuning.sweep import sweep

        store = Store(job["store"])
        runs = Run.many(store, job["run_ids"])
        found = sweep(
            runs,
            Truth.of_store(store, annotator=job.get("annotator")),
            label=job["label"],
            grid=Grid(**job.get("grid", {})),
            tiou=job.get("tiou", 0.5),
            base=job["rule"],
            progress=lambda done, total: say(done=done, total=total),
            cancelled=lambda: job["job_id"] in self.cancelled,
        )
        path = store.sweep_file(job["job_id"])
        found.save(path)
        return {"path": str(path), "rules": len(found)}

    def playable(self, job: Job, say: Say) -> Job:
        from lab.playable import make_playable
        from lab.store.store import Store

        out = Store(job["store"]).playable_file(job["media_id"])
        if not out.exists():
            make_playable(job["path"], out, lambda done, total: say(done=done, total=total))
        return {"path": str(out)}


def _throttled(say: Say) -> Callable[[Progress], None]:
    last = 0.0

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _REPORT_EVERY_S or progress.samples == progress.total:
            last = now
            say(
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
    os.dup2(2, 1)  # what libraries print must not mix with answers
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
        os._exit(0)  # whoever started us is gone; parts on disk are whole

    threading.Thread(target=read, daemon=True, name="jobs").start()
    while True:
        with arrived:
            while not jobs:
                arrived.wait()
            job = jobs.pop(0)

        def say(kind: str = "progress", job: Job = job, **values: Any) -> None:
            answers.write(json.dumps({"job_id": job.get("job_id"), "kind": kind, **values}) + "\n")

        try:
            if job["kind"] not in kinds:
                raise LabError(f"unknown job {job['kind']!r}; {closest(job['kind'], list(kinds))}")
            say("done", result=kinds[job["kind"]](job, say))
        except LabError as error:
            say("failed", error=str(error))
        except Exception as error:
            # The worker outlives a fault in one job; the person sees what it was.
            name = Path(str(job.get("path", ""))).name
            say("failed", error=f"{job['kind']} {name}: {type(error).__name__}: {error}"[:400])
