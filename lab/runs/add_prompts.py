"""Adding prompts to a finished run: only what is new is computed, from the playhead outward.

The new labels have their own log beside the run's, over the same samples; the run's log stays as
it is, to the last bit.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from lab.detectors.detector import Detector
from lab.detectors.make import detector_settings
from lab.detectors.open_vocabulary.prompts import check_prompts
from lab.errors import DetectorError, SettingError, StoreError
from lab.runs.analyze import check_same_clip
from lab.runs.make_detector import make_detector
from lab.runs.open_store import OpenedStore
from lab.runs.pipeline import AnalysisTask, run_tasks
from lab.runs.progress import Progress, Report, reporter
from lab.runs.run import Run
from lab.score_log.manifest import ADDED, read_manifest, write_manifest
from lab.score_log.parts import added_folders
from lab.score_log.score_log import ScoreLog, read_log
from lab.score_log.seal import list_added
from lab.score_log.writer import ScoreLogWriter, is_locked
from lab.store.store import Store
from lab.video.identity import check_identity
from lab.video.registered import open_source
from lab.video.sampling import EVERY_FRAME
from lab.video.source import Sample, Source

_STRETCH_SAMPLES = 64


def add_prompts(
    store: Store | OpenedStore | str | Path,
    run_id: str,
    prompts: Sequence[str],
    *,
    from_s: float | None = None,
    detector: Detector | None = None,
    progress: bool | Report = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Run:
    """Look for more prompts on the samples of a finished run in mode `independent`.

    store: as `lab.open_store` gives it, or its folder.
    from_s: where to begin; the rest follows outward.
    detector: one made for these prompts; it stays loaded.

    A pass that was cancelled resumes where it stopped when the same prompts are given again.

    Raises SettingError for a run in another mode, a prompt that the run already has, or a `from_s`
    that is not a time; SourceError if the clip is missing or has changed; DetectorError if the
    detector failed on every sample.
    """
    store = Store.coerce(store)
    run = Run(store, run_id)
    wanted = _wanted(run, prompts)
    if from_s is not None and not (isinstance(from_s, int | float) and 0 <= from_s < 1e9):
        raise SettingError(f"from_s must be seconds of the clip, 0 or more, got {from_s!r}")
    check_identity(run.media)
    with open_source(run.media["path"]) as source:
        check_same_clip(run, source)
        while wanted:
            folder, labels = _layer(store, run, wanted)
            fits = detector is not None and set(detector.labels) == set(labels)
            loaded = detector if fits else None
            begin_us = None if from_s is None else round(from_s * 1e6)
            if not _pass(store, run, folder, labels, source, loaded, begin_us, progress, cancelled):
                break
            wanted = [prompt for prompt in wanted if prompt not in labels]
            run = Run(store, run_id)
    return Run(store, run.run_id)


def _pass(
    store: Store,
    run: Run,
    folder: Path,
    labels: list[str],
    source: Source,
    detector: Detector | None,
    from_us: int | None,
    progress: bool | Report,
    cancelled: Callable[[], bool],
) -> bool:
    """One pass over the samples for these labels; whether it was completed."""
    with ExitStack() as stack:
        if detector is None:
            detector = make_detector(store=store, **settings_for(run, labels))
            stack.callback(detector.close)
        _check_same(run, detector)
        manifest = {"labels": labels, "run_id": run.run_id, "recipe": detector.recipe()}
        log = stack.enter_context(ScoreLogWriter(folder, manifest))
        log.set_damaged_aside()
        task, left = _task(run, detector, log)
        task.size_px = run.size_px if source.changes_size else None
        samples = _outward(run.log, left, source, from_us)
        title = f"{run.media['name']}: {', '.join(detector.labels)}"[:60]
        report = stack.enter_context(reporter(progress, title))
        is_whole = run_tasks(samples, [task], report=report, cancelled=cancelled)
        if is_whole and task.error is not None:
            shutil.rmtree(folder, ignore_errors=True)
            raise DetectorError(task.error)
        if is_whole:
            log.compact()
            write_manifest(folder, {**read_manifest(folder), "complete": True})
            store.extend_recipe(run.run_id, detector.recipe())
            list_added(folder)
    return is_whole


def restore_added(
    run: Run,
    folder: Path,
    labels: Sequence[str],
    *,
    progress: bool | Report = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> bool:
    """Analyse again what the log of added labels has lost; whether it is whole then.

    folder: of that log. Raises as `add_prompts` does.
    """
    check_identity(run.media)
    with open_source(run.media["path"]) as source:
        check_same_clip(run, source)
        return _pass(run.store, run, folder, list(labels), source, None, None, progress, cancelled)


def _task(run: Run, detector: Detector, log: ScoreLogWriter) -> tuple[AnalysisTask, list[int]]:
    """The task, and the positions of the run's samples that are still to be analysed."""
    before = read_log(log.folder)
    analysed_us = set(before.pts_us.tolist())
    times = run.log.pts_us.tolist()
    left = [i for i in np.flatnonzero(run.log.ok).tolist() if times[i] not in analysed_us]
    task = AnalysisTask(detector, log, EVERY_FRAME, run.run_id)
    task.analysed = int(before.ok.sum())
    task.progress = Progress(
        run.run_id,
        samples=len(before.pts_us),
        failed=int((~before.ok).sum()),
        total=int(run.log.ok.sum()),
    )
    return task, left


def discard_unfinished(store: Store, run_id: str) -> list[str]:
    """Discard prompts whose pass was stopped, with the samples analysed so far; returns them.

    Raises StoreError while another process analyses them.
    """
    run = Run(store, run_id)
    discarded = list(run.log.adding)
    for folder in added_folders(store.log_folder(run.run_id)):
        if read_manifest(folder).get("complete"):
            continue
        if is_locked(folder):
            raise StoreError(
                f"run {run.run_id} is being analysed by another process; stop that first"
            )
        shutil.rmtree(folder)
    return discarded


def settings_for(run: Run, prompts: Sequence[str]) -> dict[str, Any]:
    """The arguments of `make_detector` for other prompts on the network of a run."""
    return {
        **detector_settings(run.recipe, run.environment),
        "labels": list(prompts),
        "prompt_mode": "independent",
    }


def _wanted(run: Run, prompts: Sequence[str]) -> list[str]:
    if "prompt_mode" not in run.recipe:
        raise SettingError(
            f"run {run.run_id} was made by {run.recipe['detector']!r}, which takes no prompts; "
            "start a new run"
        )
    if run.recipe["prompt_mode"] != "independent":
        raise SettingError(
            f"run {run.run_id} is in mode joint, in which prompts influence each other: another "
            "set of prompts needs a new run; start one"
        )
    if run.state != "done":
        raise SettingError(f"run {run.run_id} is {run.state}; finish it first, then add prompts")
    wanted = list(check_prompts(prompts))
    for prompt in wanted:
        if prompt in run.labels and prompt not in run.log.adding:
            raise SettingError(f"run {run.run_id} already has the prompt {prompt!r}")
    return wanted


def _layer(store: Store, run: Run, wanted: list[str]) -> tuple[Path, list[str]]:
    """The folder of these prompts and the labels it is for: one that was begun, or a new one."""
    base = store.log_folder(run.run_id)
    for folder in added_folders(base):
        manifest = read_manifest(folder)
        if not manifest.get("complete") and set(wanted) & set(manifest["labels"]):
            return folder, list(manifest["labels"])
    taken = [int(f.name) for f in (base / ADDED).glob("*") if f.name.isdigit()]
    return base / ADDED / f"{max(taken, default=0) + 1:03d}", wanted


def _check_same(run: Run, detector: Detector) -> None:
    """The detector must be that of the run but for its prompts."""
    now, before = detector.recipe(), run.recipe
    differing = ("labels", "text_features")
    for name in now:
        if name not in differing and now[name] != before.get(name):
            raise SettingError(
                f"the detector of run {run.run_id} has changed: {name} is {now[name]!r}, was "
                f"{before.get(name)!r}; start a new run"
            )


def _outward(
    log: ScoreLog, left: Sequence[int], source: Source, from_us: int | None
) -> Iterator[Sample]:
    """The run's samples at these positions, the stretch nearest to a moment first."""
    if not left:
        return
    position = {int(log.frame_index[i]): i for i in left}
    begin_us = int(log.pts_us[0]) if from_us is None else from_us

    def distance_us(stretch: list[int]) -> int:
        return min(abs(int(log.pts_us[position[index]]) - begin_us) for index in stretch)

    for stretch in sorted(source.stretches(list(position), _STRETCH_SAMPLES), key=distance_us):
        for frame in source.frames_by_index(stretch):
            yield Sample(frame, ((frame.index,),))
