"""Running a detector over a clip once, and keeping the run."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lab.detectors.detector import Detector
from lab.detectors.gate import gate_recipe, make_gate
from lab.detectors.make import as_detector, detector_settings, make_detector
from lab.errors import DetectorError, SettingError, SourceError
from lab.runs.progress import Report
from lab.runs.run import Run
from lab.runs.run_pass import PlannedRun, RunPass
from lab.score_log.recipe import make_recipe, recipe_hash
from lab.store.store import Store, new_run_id
from lab.video.media import probe
from lab.video.sampling import Sampling
from lab.video.sources.file import FileSource


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One detector with its sampling, to be run beside others over one decode of a clip.

    detector: a registered name with its `settings`, or one that is made already.
    name: what it is called in results; the detector's name unless given.
    interval_s, frame_count, frame_step: see `lab.video.sampling.Sampling`.
    gate: `motion`, or settings with `kind`: frames that it holds back are not looked at.
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
            raise SettingError("a detector that is made already takes no labels or settings")
        return as_detector(self.detector)

    def sampling(self) -> Sampling:
        return Sampling(
            interval_s=self.interval_s, frame_count=self.frame_count, frame_step=self.frame_step
        )


def analyze(
    path: str | Path,
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

    detector: a registered name, with its `settings` (weights, runtime, image_size,
        score_floor), or one that is made already.
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
        path, [one], store=store, progress=progress, reuse=reuse, cancelled=cancelled
    )[0]


def analyze_all(
    path: str | Path,
    analyses: Sequence[Analysis],
    *,
    store: Store | str | Path | None = None,
    progress: bool | Report = True,
    reuse: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Run]:
    """Run several analyses over one decode of a clip; one run for each, in their order.

    Each keeps its own log with exact times, its effort and its outcome: one that fails does not
    stop the others. Runs of one pass know each other by `Run.pass_id`. Names must be unique.

    Raises as `analyze` does; DetectorError only if every analysis failed.
    """
    _check_names(analyses)
    if not isinstance(path, str | os.PathLike):
        raise SourceError(f"a clip is named by its path, got {path!r}")
    opened = time.monotonic()
    kept = Store.coerce(store)
    source = FileSource(path)
    media = probe(path, source)
    opening_s = time.monotonic() - opened
    pass_id = uuid.uuid4().hex[:8]
    runs: dict[str, Run | None] = {}
    plans = []
    with ExitStack() as stack:
        for one in analyses:
            with naming(one.title if len(analyses) > 1 else None):
                plan = _plan(kept, media.media_id, one, pass_id if len(analyses) > 1 else None)
            if isinstance(one.detector, str):
                stack.callback(plan.detector.close)
            runs[plan.run_id] = _finished(kept, recipe_hash(plan.recipe)) if reuse else None
            if runs[plan.run_id] is None:
                plans.append(plan)
        if plans:
            kept.add_media(media)
            made = RunPass(kept, source, media, plans, progress, cancelled).go(opening_s)
            runs.update({run.run_id: run for run in made})
    return [run for run in runs.values() if run is not None]


@contextmanager
def naming(title: str | None) -> Iterator[None]:
    """An error inside says which of several analyses it is of."""
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
            raise SettingError(f"two analyses are named {title!r}; give each a name of its own")


def _plan(store: Store, media_id: str, one: Analysis, pass_id: str | None) -> PlannedRun:
    sampling, gate = one.sampling(), make_gate(one.gate)
    looker = one.make(store)
    given = looker.recipe()
    if missing := [name for name in ("detector", "labels", "score_floor") if name not in given]:
        raise SettingError(
            f"the recipe of {one.title!r} has no {', '.join(missing)}; see lab.detectors.detector.Detector"
        )
    recipe = make_recipe(media_id, given, sampling=sampling, gate=gate_recipe(gate))
    recorded = {
        "weights_path": looker.weights_path,
        "detector_settings": looker.made_from,
        "analysis": one.title,
        "pass_id": pass_id,
    }
    run_id = new_run_id()

    def begin() -> None:
        store.create_run(run_id, recipe, looker.default_threshold, **recorded)

    return PlannedRun(run_id, recipe, looker, sampling, begin, gate)


def resume(
    store: Any,
    run_id: str,
    *,
    detector: Detector | None = None,
    progress: bool | Report = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Run:
    """Go on with a cancelled, failed or interrupted run, from its last part.

    store: as `lab.open_store` gives it, or its folder.

    Raises SettingError if it is done, or the detector or clip is no longer the same.
    """
    store = Store.coerce(store)
    run = Run(store, run_id)
    if run.state == "running" or (run.state == "done" and not run.log.damaged):
        if run.log.adding:
            names = ", ".join(map(repr, run.log.adding))
            raise SettingError(
                f"run {run.run_id} is {run.state}, but for {names}: ask for these prompts again"
            )
        raise SettingError(f"run {run.run_id} is {run.state}; there is nothing to resume")
    source = FileSource(run.media_path)
    media = probe(run.media_path, source)
    if media.media_id != run.media["media_id"]:
        raise SourceError(f"{run.media_path} is no longer the clip of run {run.run_id}; restore it")
    looker = as_detector(
        detector or make_detector(store=store, **detector_settings(run.recipe, run.environment))
    )
    sampling, gate = sampling_of(run.recipe), make_gate(run.recipe.get("gate"))
    now = make_recipe(media.media_id, looker.recipe(), sampling=sampling, gate=gate_recipe(gate))
    if recipe_hash(now) != run.recipe_hash:
        raise SettingError(f"the detector of run {run.run_id} has changed; start a new run")
    begin = partial(store.set_run_state, run.run_id, "running")
    plan = PlannedRun(run.run_id, run.recipe, looker, sampling, begin, gate)
    return RunPass(store, source, media, [plan], progress, cancelled).go(0.0)[0]


def sampling_of(recipe: Mapping[str, Any]) -> Sampling:
    """The sampling that a recipe was made with."""
    kept = {name: recipe[name] for name in ("frame_count", "frame_step") if name in recipe}
    return Sampling(interval_s=recipe["every_s"], **kept)


def _finished(store: Store, wanted: str) -> Run | None:
    for row in store.runs():
        if row["recipe_hash"] == wanted and row["state"] == "done":
            return Run(store, row["run_id"])
    return None
