"""Adding prompts to a finished run: only what is new is computed, from the playhead outward.

The new labels have a log of their own beside the run's, over the same samples; what the run saw
before stays as it is, to the last bit.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.make import detector_settings
from lab.detectors.open_vocabulary.prompts import check_prompts
from lab.errors import DetectorError, SettingError, SourceError, StoreError
from lab.frame import Frame
from lab.runs.make_detector import make_detector
from lab.runs.open_store import OpenedStore
from lab.runs.pipeline import FLUSH_EVERY_S, run_detector
from lab.runs.progress import Progress, Report, reporter
from lab.runs.run import Run
from lab.score_log.score_log import ADDED, ScoreLog, added_folders, read_log, read_manifest
from lab.score_log.writer import ScoreLogWriter, is_locked, write_manifest
from lab.store.store import Store
from lab.video.media import probe
from lab.video.sources.file import FileSource

_BLOCK_SAMPLES = 64


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

    store: as `lab.open_store` gives it, or its folder. from_s: where to begin; the rest follows outward. A pass that was cancelled goes on where it
    stopped when the same prompts are asked for again. detector: one made for these prompts.

    Raises SettingError for a run in another mode, a prompt that it has already, or a `from_s` that is no time, SourceError if
    the clip is not at hand, DetectorError if the detector failed on every sample.
    """
    store = Store.coerce(store)
    run = Run(store, run_id)
    wanted = _wanted(run, prompts)
    if from_s is not None and not (isinstance(from_s, int | float) and 0 <= from_s < 1e9):
        raise SettingError(f"from_s must be seconds of the clip, 0 or more, got {from_s!r}")
    source = FileSource(run.media_path)
    if probe(run.media_path, source).media_id != run.media["media_id"]:
        raise SourceError(f"{run.media_path} is no longer the clip of run {run.run_id}; restore it")
    while wanted:
        folder, labels = _layer(store, run, wanted)
        fits = detector is not None and set(detector.labels) == set(labels)
        looker = detector if fits else None
        if not _pass(store, run, folder, labels, source, looker, from_s, progress, cancelled):
            break
        wanted = [prompt for prompt in wanted if prompt not in labels]
        run = Run(store, run_id)
    return Run(store, run.run_id)


def _pass(
    store: Store,
    run: Run,
    folder: Path,
    labels: list[str],
    source: FileSource,
    detector: Detector | None,
    from_s: float | None,
    progress: bool | Report,
    cancelled: Callable[[], bool],
) -> bool:
    """One pass over the samples for these labels; whether it came to its end."""
    with ExitStack() as stack:
        looker = detector
        if looker is None:
            looker = make_detector(store=store, **settings_for(run, labels))
            stack.callback(looker.close)
        _check_same(run, looker)
        manifest = {"labels": labels, "run_id": run.run_id, "recipe": looker.recipe()}
        log = stack.enter_context(ScoreLogWriter(folder, manifest))
        log.set_damaged_aside()
        whole = _look(run, source, looker, log, from_s, progress, cancelled)
        if whole:
            log.compact()
            write_manifest(folder, {**read_manifest(folder), "complete": True})
    if whole:
        store.extend_recipe(run.run_id, looker.recipe())
    return whole


def discard_unfinished(store: Store, run_id: str) -> list[str]:
    """Forget prompts whose pass was stopped, with what was seen of them; returns them.

    Raises StoreError while another process looks for them.
    """
    run = Run(store, run_id)
    forgotten = list(run.log.adding)
    for folder in added_folders(store.log_folder(run.run_id)):
        if read_manifest(folder).get("complete"):
            continue
        if is_locked(folder):
            raise StoreError(
                f"run {run.run_id} is being looked through by another process; stop that first"
            )
        shutil.rmtree(folder)
    return forgotten


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
            f"run {run.run_id} was made by {run.recipe['detector']!r}, which takes no prompts; start a new run"
        )
    if run.recipe["prompt_mode"] != "independent":
        raise SettingError(
            f"run {run.run_id} is in mode joint, in which prompts influence each other: another set "
            "of prompts is another run; start one"
        )
    if run.state != "done":
        raise SettingError(f"run {run.run_id} is {run.state}; finish it first, then add prompts")
    wanted = list(check_prompts(prompts))
    for prompt in wanted:
        if prompt in run.labels and prompt not in run.log.adding:
            raise SettingError(f"run {run.run_id} has the prompt {prompt!r} already")
    return wanted


def _layer(store: Store, run: Run, wanted: list[str]) -> tuple[Path, list[str]]:
    """The folder of these prompts and the labels that it is for: one that was begun, or a new one."""
    base = store.log_folder(run.run_id)
    for folder in added_folders(base):
        manifest = read_manifest(folder)
        if not manifest.get("complete") and set(wanted) & set(manifest["labels"]):
            return folder, list(manifest["labels"])
    taken = [int(f.name) for f in (base / ADDED).glob("*") if f.name.isdigit()]
    return base / ADDED / f"{max(taken, default=0) + 1:03d}", wanted


def _check_same(run: Run, looker: Detector) -> None:
    """The detector must be that of the run but for its prompts."""
    given, theirs = looker.recipe(), run.recipe
    aside = ("labels", "text_features")
    for name in given:
        if name not in aside and given[name] != theirs.get(name):
            raise SettingError(
                f"the detector of run {run.run_id} has changed: {name} is {given[name]!r}, was "
                f"{theirs.get(name)!r}; start a new run"
            )


def _look(
    run: Run,
    source: FileSource,
    looker: Detector,
    log: ScoreLogWriter,
    from_s: float | None,
    progress: bool | Report,
    cancelled: Callable[[], bool],
) -> bool:
    """Whether every sample has been looked at."""
    before = read_log(log.folder)
    done = Progress(run.run_id, samples=len(before.pts_us), total=int(run.log.ok.sum()))
    done.failed = int((~before.ok).sum())
    begun = last_flush = time.monotonic()
    with reporter(progress, f"{run.media['name']}: {', '.join(looker.labels)}"[:60]) as report:
        for frames in _outward(run.log, before, source, from_s):
            while batch := list(islice(frames, looker.batch_size)):
                for frame, found in zip(batch, _detect(looker, batch), strict=True):
                    log.add(frame, found)
                    done.samples += 1
                    done.failed += (frame.error or found.error) is not None
                done.elapsed_s = time.monotonic() - begun
                if done.elapsed_s + begun - last_flush > FLUSH_EVERY_S:
                    log.flush()
                    last_flush = time.monotonic()
                if report is not None:
                    report(done)
                if cancelled():
                    log.flush()
                    return False
    log.flush()
    if done.samples and done.failed == done.samples:
        why = log.first_reason
        shutil.rmtree(log.folder, ignore_errors=True)
        raise DetectorError(f"the detector failed on all {done.samples} samples: {why}")
    return True


def _detect(looker: Detector, frames: Sequence[Frame]) -> list[Detections]:
    good = [frame for frame in frames if frame.error is None]
    try:
        seen = iter(run_detector(looker, good))
    except Exception as error:
        seen = iter([Detections.failed(f"detector: {error}"[:300])] * len(good))
    return [next(seen) if frame.error is None else Detections() for frame in frames]


def _outward(
    log: ScoreLog, before: ScoreLog, source: FileSource, from_s: float | None
) -> Iterator[Iterator[Frame]]:
    """The frames of the run's samples that are still to be looked at, the nearest stretch first."""
    known = set(before.pts_us.tolist())
    left = [i for i in range(len(log.pts_us)) if log.ok[i] and int(log.pts_us[i]) not in known]
    start_us = log.pts_us[0] if from_s is None and len(log.pts_us) else round((from_s or 0) * 1e6)
    blocks = _blocks(source, log, left)
    blocks.sort(key=lambda block: min(abs(int(log.pts_us[i]) - int(start_us)) for i in block))
    for block in blocks:
        yield source.frames_by_index([int(log.frame_index[i]) for i in block])


def _blocks(source: FileSource, log: ScoreLog, left: list[int]) -> list[list[int]]:
    """Samples that are decoded together: those of one keyframe, up to some."""
    if not source.index.can_seek:
        return [left] if left else []
    blocks: list[list[int]] = []
    last_key = None
    for i in left:
        key = source.keyframe_of(int(log.frame_index[i]))
        if not blocks or key != last_key or len(blocks[-1]) >= _BLOCK_SAMPLES:
            blocks.append([])
        blocks[-1].append(i)
        last_key = key
    return blocks
