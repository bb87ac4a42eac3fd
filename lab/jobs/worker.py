"""The worker: a process that does jobs which it reads, a JSON line each, from standard input.

A line `next` is a job that is yet to come: its clip is opened while another one is done.
It answers on standard output, a JSON line for each step: `progress`, then `done`, `cancelled` or
`failed`; and `alive` every second while it does a job, from a thread of its own.
It ends when its standard input closes, so it never outlives the process that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lab.annotation import utc_now
from lab.config import load_config
from lab.detectors.models_folder import list_models
from lab.detectors.trust import check_allowed
from lab.detectors.weights.fetch import fetch
from lab.errors import LabError, closest
from lab.evaluation.truth import Truth
from lab.jobs.upcoming import Upcoming
from lab.jobs.warm import WarmDetectors
from lab.private_files import keep_files_private
from lab.rules.rule import Rule
from lab.runs.progress import Progress
from lab.tuning.rule_grid import RuleGrid
from lab.video.identity import check_identity
from lab.video.probe import probe
from lab.video.sound import FILE_NAME, sound_peaks

_REPORT_EVERY_S = 0.25
_BEAT_S = 1.0
_KINDS = (
    "analyze",
    "resume",
    "follow",
    "settle",
    "prompts",
    "describe",
    "prepare",
    "weights",
    "models",
    "probe",
    "probes",
    "pictures",
    "playable",
    "sound",
    "relink",
    "sweep",
    "annotate",
)
Job = dict[str, Any]
Emit = Callable[..., None]


class _Cancelled(Exception):
    """Ends a job that was cancelled, before it begins or in the middle."""


class _Worker:
    """Keeps the last job's detectors warm, so that the next job of the same kind starts at once.

    trust: whether jobs may name any detector, or only what a page may ask for.
    """

    def __init__(self, trust: bool = False) -> None:
        self._warm = WarmDetectors()
        self._trust = trust
        self.upcoming = Upcoming()
        self.cancelled: set[str] = set()

    def analyze(self, job: Job, emit: Emit) -> Job:
        """Several analyses over one decode; each is `lab.runs.analyze.Analysis` with settings.

        rules: those whose sightings are saved, one an analysis or None; see `AppliedRule`.
        """
        from lab.jobs.batch.work import AppliedRule
        from lab.runs.analyze import Analysis, analyze_all
        from lab.runs.begun import BegunClip
        from lab.store.store import Store

        if job.get("media_id"):  # the clip that was chosen, not what lies at its path
            check_identity(Store(job["store"]).media(job["media_id"]))
        wanted = [dict(one) for one in job["analyses"]]
        titles = [str(one.get("name")) for one in wanted]
        self._check_allowed([one["detector"] for one in wanted])
        made = self._warm.get([one.pop("detector") for one in wanted], job["store"], titles)
        begun = utc_now()
        store = Store(job["store"], registrar="user" if self._trust else "browser")
        store.catalog.keep_between_clips()
        with self.upcoming.take(job) or BegunClip(job["path"]) as clip:
            clip.decoded.add_done_callback(lambda _: emit(decoded=True))
            runs = analyze_all(
                clip,
                [
                    Analysis(detector=detector, **one)
                    for detector, one in zip(made, wanted, strict=True)
                ],
                store=store,
                progress=_throttled(emit),
                reuse=bool(job.get("reuse")),
                cancelled=lambda: job["job_id"] in self.cancelled,
            )
        was_there = all(run.row["created_utc"] < begun for run in runs)
        for run, kept in zip(runs, job.get("rules") or [None] * len(runs), strict=True):
            rule = AppliedRule.from_dict(kept)
            if rule is not None and run.state == "done":
                rule.save(run)
        return {
            **runs[0].summary(),
            "runs": [run.summary() for run in runs],
            "was_there": was_there,
        }

    def _check_allowed(self, detectors: Sequence[Mapping[str, Any]]) -> None:
        """Raises SettingError for what nobody who uses the app may ask for."""
        if not self._trust:
            services = load_config().services
            for settings in detectors:
                check_allowed(settings, services)

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

        path = fetch(job["weights"], self._reporter(job, emit))
        return {"path": str(path)}  # a cancelled download can be resumed

    def models(self, job: Job, emit: Emit) -> Job:
        """What is in the models folder. This hashes large files and loads runtimes."""

        return {"models": [info.to_dict() for info in list_models()]}

    def resume(self, job: Job, emit: Emit) -> Job:
        from lab.runs.resume import resume, resume_settings
        from lab.store.store import Store

        store = Store(job["store"])
        settings = job.get("detector") or resume_settings(store, job["run_id"])
        run = resume(
            store,
            job["run_id"],
            detector=self._warm.get([settings], job["store"])[0],
            progress=_throttled(emit),
            cancelled=lambda: job["job_id"] in self.cancelled,
        )
        return run.summary()

    def follow(self, job: Job, emit: Emit) -> Job:
        """An upload, analysed while another process receives it."""
        from lab.jobs.followed_upload import follow_upload
        from lab.store.store import Store

        wanted = [one["detector"] for one in job["analyses"]]
        self._check_allowed(wanted)
        store = Store(job["store"], registrar="user" if self._trust else "browser")
        return follow_upload(
            job,
            self._warm.get(wanted, job["store"]),
            store=store,
            progress=_throttled(emit),
            cancelled=lambda: job["job_id"] in self.cancelled,
        )

    def settle(self, job: Job, emit: Emit) -> Job:
        """An upload has come after its runs had ended."""
        from lab.jobs.followed_upload import settle_upload
        from lab.store.store import Store

        return settle_upload(job, Store(job["store"], registrar="browser"))

    def describe(self, job: Job, emit: Emit) -> Job:
        self._check_allowed([job["detector"]])
        (detector,) = self._warm.get([job["detector"]], job["store"])
        return {"labels": list(detector.labels), "recipe": detector.recipe()}

    def prepare(self, job: Job, emit: Emit) -> Job:
        """Load the detectors of analyses that follow, and say what they are.

        secrets: values of variables, which no recipe may hold.
        """
        from lab.jobs.document.checks import check_secrets

        settings = [one["detector"] for one in job["analyses"]]
        self._check_allowed(settings)
        made = self._warm.get(settings, job["store"], [one["name"] for one in job["analyses"]])
        for one, detector in zip(job["analyses"], made, strict=True):
            check_secrets(detector, job.get("secrets") or {}, one["name"])
        return {
            "detectors": [
                {
                    "labels": list(detector.labels),
                    "recipe": detector.recipe(),
                    "default_threshold": detector.default_threshold,
                    "weights_path": detector.weights_path,
                    "made_from": detector.made_from,
                }
                for detector in made
            ]
        }

    def probe(self, job: Job, emit: Emit) -> Job:
        from lab.store.store import Store
        from lab.video.browser_copy import save_pictures

        store = Store(job["store"], registrar="browser")
        media = probe(load_config().allowed(job["path"], store.uploads_folder))
        count = job.get("thumbnails", 12)
        span = max(0, media.end_us - media.first_pts_us)
        times = [media.first_pts_us + span * i // count for i in range(count)]
        folder = store.pictures_folder(media.media_id)
        save_pictures(media.path, times, folder, media=media.to_dict())
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

        if not job["pts_us"]:
            return {"pictures": []}
        store = Store(job["store"])
        media, folder = store.media(job["media_id"]), store.pictures_folder(job["media_id"])
        check_identity(media)
        made = save_pictures(media["path"], job["pts_us"], folder, media=media)
        return {"pictures": sorted(made)}

    def sound(self, job: Job, emit: Emit) -> Job:
        """The waveform of a clip, kept beside its pictures."""
        from lab.store.store import Store

        store = Store(job["store"])
        media = store.media(job["media_id"])
        check_identity(media)
        peaks = sound_peaks(media["path"], media["first_pts_us"], media["end_us"])
        check_identity(media)
        peaks.save(store.pictures_folder(media["media_id"]) / FILE_NAME)
        return peaks.to_dict()

    def relink(self, job: Job, emit: Emit) -> Job:
        """Look for the file of a clip in folders, or for those of many clips."""
        from lab.runs.relink import relink, relink_all
        from lab.store.store import Store

        if "media_ids" in job:
            return {"problems": relink_all(Store(job["store"]), job["media_ids"], job["places"])}
        row = relink(Store(job["store"]), job["media_id"], job["places"])
        return {"media_id": row["media_id"], "path": row["path"]}

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

    def annotate(self, job: Job, emit: Emit) -> Job:
        """A run's pictures with boxes and sightings as a video; of one that goes on, until now.

        Those of other rules on the run, which pages asked for before, go.
        """
        from lab.runs.annotated import save_annotated
        from lab.runs.run import Run
        from lab.store.store import Store

        store = Store(job["store"])
        run, rule = Run(store, job["run_id"]), Rule.from_dict(job["rule"])
        out = store.annotated_file(run.run_id, rule.rule_hash)
        times = run.log.pts_us
        until_s = float(times[-1]) / 1e6 if run.state == "running" and len(times) else None
        made = save_annotated(run, out, rule, until_s=until_s, progress=self._reporter(job, emit))
        for other in out.parent.glob(f"{run.run_id}-*.mp4"):
            if other != out:
                other.unlink(missing_ok=True)
        return {**made.to_dict(), "bytes": out.stat().st_size}

    def _reporter(self, job: Job, emit: Emit) -> Callable[[int, int | None], None]:
        """Tells of steps now and then. It raises `_Cancelled` when the job was cancelled."""
        last = 0.0

        def report(done: int, total: int | None) -> None:
            nonlocal last
            if job["job_id"] in self.cancelled:
                raise _Cancelled
            now = time.monotonic()
            if now - last >= _REPORT_EVERY_S or done == total:
                last = now
                emit(done=done, total=total)

        return report

    def playable(self, job: Job, emit: Emit) -> Job:
        from lab.store.store import Store
        from lab.video.browser_copy import make_playable

        store = Store(job["store"])
        media, out = store.media(job["media_id"]), store.playable_file(job["media_id"])

        def report(done: int, total: int | None) -> None:
            if job["job_id"] in self.cancelled:
                raise _Cancelled
            emit(done=done, total=total)

        if not out.exists():
            check_identity(media)
            make_playable(media["path"], out, report, media=media)
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


class _Answers:
    """Messages on what was standard output; threads may share it."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "w", buffering=1)
        self._guard = threading.Lock()
        self._job_id: str | None = None
        os.dup2(2, 1)  # what libraries print must not mix with messages

    def send(self, job: Job, kind: str, **values: Any) -> None:
        line = json.dumps({"job_id": job.get("job_id"), "kind": kind, **values}) + "\n"
        with self._guard:
            self._job_id = job.get("job_id") if kind in ("alive", "progress") else None
            self._stream.write(line)

    def beat(self) -> None:
        """Say every second that a job is being done, whatever the main thread does."""
        with contextlib.suppress(OSError):  # nobody reads any more
            while True:
                time.sleep(_BEAT_S)
                with self._guard:
                    job_id = self._job_id
                    if job_id is not None:
                        line = json.dumps({"job_id": job_id, "kind": "alive"}) + "\n"
                        self._stream.write(line)


def serve(trust: bool = False) -> int:
    """Do jobs until standard input closes.

    trust: whether they may name any detector; without it, only what a page may ask for.
    """
    keep_files_private()
    answers = _Answers()
    worker = _Worker(trust)
    jobs: list[Job] = []
    arrived = threading.Condition()
    terminated = threading.Event()

    def terminate(*_: object) -> None:
        terminated.set()
        raise KeyboardInterrupt  # a run closes its log, as when a user interrupts it

    signal.signal(signal.SIGTERM, terminate)
    threading.Thread(target=_read, args=(worker, jobs, arrived), daemon=True, name="jobs").start()
    threading.Thread(target=answers.beat, daemon=True, name="signs of life").start()
    try:
        while True:
            with arrived:
                while not jobs:
                    arrived.wait()
                job = jobs.pop(0)
            answers.send(job, "alive")
            _do(worker, job, answers)
    except KeyboardInterrupt:
        if not terminated.is_set():
            raise
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise


def _read(worker: _Worker, jobs: list[Job], arrived: threading.Condition) -> None:
    """Take jobs, and requests to cancel them, from standard input until it closes."""
    for line in sys.stdin:
        try:
            message = json.loads(line)
            message["kind"] = message.get("kind", "")
        except (ValueError, AttributeError, TypeError):
            print(f"lab worker: not a job: {line.strip()[:80]}", file=sys.stderr)
            continue
        if "cancel" in message:
            worker.cancelled.add(message["cancel"])
            worker.upcoming.forget(message["cancel"])
            continue
        if "next" in message:
            worker.upcoming.expect(message["next"])
            continue
        with arrived:
            jobs.append(message)
            arrived.notify()
    os._exit(0)  # the parent process is gone; parts on disk are whole


def _do(worker: _Worker, job: Job, answers: _Answers) -> None:
    """Do a job, and say how it ended."""
    try:
        if job["kind"] not in _KINDS:
            raise LabError(f"unknown job {job['kind']!r}; {closest(job['kind'], list(_KINDS))}")
        if job.get("job_id") in worker.cancelled:
            raise _Cancelled
        result = getattr(worker, job["kind"])(job, partial(answers.send, job, "progress"))
        answers.send(job, "done", result=result)
    except _Cancelled:
        answers.send(job, "cancelled")
    except LabError as error:
        answers.send(job, "failed", error=str(error), error_type=type(error).__name__)
    except Exception as error:
        # The worker survives a fault in one job; its message is shown.
        name = Path(str(job.get("path", ""))).name
        words = f"{job['kind']} {name}: {type(error).__name__}: {error}"[:400]
        answers.send(job, "failed", error=words, error_type=type(error).__name__)
