"""Running a detector over a clip once, and keeping the run."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.detectors.detector import Detector
from lab.detectors.gate import gate_recipe, make_gate
from lab.detectors.make import as_detector
from lab.errors import DetectorError, SettingError, SourceError
from lab.runs.execute import PlannedRun
from lab.runs.make_detector import make_detector
from lab.runs.progress import Report
from lab.runs.run import Run
from lab.runs.run_pass import CatalogRegister, run_pass
from lab.score_log.recipe import make_recipe, recipe_hash
from lab.score_log.seal import log_state
from lab.store.store import Store, new_run_id
from lab.video.media import Media
from lab.video.registered import open_source
from lab.video.sampling import Sampling
from lab.video.source import Source


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One detector with its sampling, to be run beside others over one decode of a clip.

    detector: a registered name with its `settings`, or a detector object.
    name: what it is called in results; the detector's name unless given.
    interval_s, frame_count, frame_step: see `lab.video.sampling.Sampling`.
    gate: `motion`, or settings with `kind`: frames that it holds back are not analysed.
    """

    detector: str | Detector = "yolo"
    name: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    interval_s: float = 0.2
    frame_count: int = 1
    frame_step: int = 1
    gate: str | Mapping[str, Any] | None = None

    @property
    def title(self) -> str:
        if self.name is not None:
            return self.name
        if isinstance(self.detector, str):
            return self.detector
        if isinstance(self.detector, Detector):
            return self.detector.name
        return type(self.detector).__name__

    def make(self, store: Store) -> Detector:
        if isinstance(self.detector, str):
            return make_detector(self.detector, store=store, **self.settings)
        if self.settings:
            raise SettingError(
                "labels and settings go with the name of a detector, not with a detector object"
            )
        return as_detector(self.detector)

    def sampling(self) -> Sampling:
        return Sampling(
            every_s=self.interval_s, frame_count=self.frame_count, frame_step=self.frame_step
        )


def analyze(
    source: str | Path | Source,
    *,
    detector: str | Detector = "yolo",
    every_s: float = 0.2,
    labels: Sequence[str] | None = None,
    gate: str | Mapping[str, Any] | None = None,
    store: Store | str | Path | None = None,
    progress: bool | Report = True,
    reuse: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
    **settings: Any,
) -> Run:
    """Run a detector over a clip and keep the score log.

    source: the path of a video file, an address that a source plugin opens, or a
        `lab.video.source.Source`.
    detector: a registered name, with its `settings` (weights, runtime, image_size,
        score_floor), or a detector object.
    every_s: seconds between samples; 0 for every frame.
    labels: what to look for; for an open-vocabulary detector these are the prompts.
    gate: `motion`, to hold back frames on which nothing moved.
    progress: show a bar, or hand the progress to a function.
    reuse: give the finished run of the same recipe if the store has one.

    Raises SourceError, DetectorError, SettingError or StoreError, with nothing left in the
    store if the run could not begin.
    """
    if labels is not None:
        settings["labels"] = labels
    one = Analysis(detector=detector, settings=settings, interval_s=every_s, gate=gate)
    return analyze_all(
        source, [one], store=store, progress=progress, reuse=reuse, cancelled=cancelled
    )[0]


def analyze_all(
    source: str | Path | Source,
    analyses: Sequence[Analysis],
    *,
    store: Store | str | Path | None = None,
    progress: bool | Report = True,
    reuse: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Run]:
    """Run several analyses over one decode of a clip; one run for each, in their order.

    source: as for `analyze`.

    Each keeps its own log with exact times, its effort and its outcome: one that fails does not
    stop the others. Runs of one pass know each other by `Run.pass_id`. Names must be unique.

    Raises as `analyze` does; DetectorError only if every analysis failed.
    """
    _check_names(analyses)
    begun = time.monotonic()
    kept = Store.coerce(store)
    with ExitStack() as stack:
        opened = stack.enter_context(opening(source))
        media = opened.media()
        opening_s = time.monotonic() - begun + opened.opening_s
        pass_id = uuid.uuid4().hex[:8] if len(analyses) > 1 else None
        register = CatalogRegister(kept, media)
        runs: dict[str, Run | None] = {}
        planned = []
        for one in analyses:
            with naming(one.title if len(analyses) > 1 else None):
                plan = plan_run(kept, media.media_id, one, opened.decoded_on)
            if isinstance(one.detector, str):
                stack.callback(plan.detector.close)
            runs[plan.run_id] = _finished(kept, recipe_hash(plan.recipe)) if reuse else None
            if runs[plan.run_id] is None:
                planned.append(plan)
                register.recorded[plan.run_id] = recorded_of(plan, one, pass_id)
        if planned:
            made = run_pass(
                opened,
                planned,
                register,
                progress=progress,
                cancelled=cancelled,
                opening_s=opening_s,
            )
            runs.update({run.run_id: run for run in made})
    return [run for run in runs.values() if run is not None]


@contextmanager
def opening(source: str | Path | Source) -> Iterator[Source]:
    """A source that is opened here is closed here; one that was handed over stays open."""
    opened = open_source(source)
    if opened is source:
        yield opened
        return
    with opened:
        yield opened


@contextmanager
def naming(title: str | None) -> Iterator[None]:
    """Errors raised inside name the analysis that they belong to."""
    try:
        yield
    except (SettingError, DetectorError) as error:
        raise type(error)(f"analysis {title!r}: {error}" if title else str(error)) from None


def _check_names(analyses: Sequence[Analysis]) -> None:
    if not analyses:
        raise SettingError("no analysis given; give one or more")
    titles = [one.title for one in analyses]
    for title in titles:
        if not title.strip() or len(title) > 100:
            raise SettingError(
                f"the name of an analysis must have 1 to 100 characters, got {title[:40]!r}"
            )
        if titles.count(title) > 1:
            raise SettingError(f"two analyses are named {title!r}; give each its own name")


def plan_run(store: Store, media_id: str, one: Analysis, decoded_on: str) -> PlannedRun:
    """A new run of an analysis. Raises SettingError or DetectorError.

    decoded_on: the device that the clip's source decodes on.
    """
    sampling, gate = one.sampling(), make_gate(one.gate)
    detector = one.make(store)
    declared = detector.recipe()
    required = ("detector", "labels", "score_floor")
    if missing := [name for name in required if name not in declared]:
        raise SettingError(
            f"the recipe of {one.title!r} has no {', '.join(missing)}; "
            "see lab.detectors.detector.Detector"
        )
    recipe = make_recipe(
        media_id,
        declared,
        sampling=sampling,
        gate=gate_recipe(gate),
        decoded_on=decoded_on,
    )
    run_id = new_run_id()
    return PlannedRun(run_id, store.log_folder(run_id), recipe, detector, sampling, gate)


def recorded_of(plan: PlannedRun, one: Analysis, pass_id: str | None = None) -> dict[str, Any]:
    """What is kept of a new run beside its recipe."""
    return {
        "weights_path": plan.detector.weights_path,
        "detector_settings": plan.detector.made_from,
        "analysis": one.title,
        "pass_id": pass_id,
    }


def check_same_clip(run: Run, source: Source) -> Media:
    """The source's media. Raises SourceError if it is not the media of the run."""
    media = source.media()
    if media.media_id != run.media["media_id"]:
        raise SourceError(f"{run.media_path} is no longer the clip of run {run.run_id}; restore it")
    return media


def sampling_of(recipe: Mapping[str, Any]) -> Sampling:
    """The sampling that a recipe was made with."""
    kept = {name: recipe[name] for name in ("frame_count", "frame_step") if name in recipe}
    return Sampling(every_s=recipe["every_s"], **kept)


def _finished(store: Store, wanted: str) -> Run | None:
    """The newest whole run of a recipe."""
    if wanted not in store.finished_runs([wanted]):  # by far the most often, and quicker to tell
        return None
    rows = store.runs(recipe_hash=wanted, state="done")
    rows = [row for row in rows if row["log_removed_utc"] is None]
    whole = (r for r in rows if not log_state(store.log_folder(r["run_id"]), r["run_id"]).damaged)
    row = next(whole, None)
    return None if row is None else Run(store, row["run_id"])
