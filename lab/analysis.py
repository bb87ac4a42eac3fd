"""Running a detector over a clip once, and keeping the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from lab.detector import Detector
from lab.effort import effort_of
from lab.errors import LabError, SettingError, SourceError, StoreError
from lab.media import Media, probe
from lab.pipeline import Progress, analyse
from lab.recipe import make_recipe, recipe_hash
from lab.registry import detectors
from lab.run import Run
from lab.score_log import ScoreLogWriter, read_log
from lab.sources.file import FileSource
from lab.store.store import Store

VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .ts .m2ts .mts .mpg .mpeg .flv .gif .wmv .asf .ogv .3gp".split()
)
Report = Callable[[Progress], None]


def make_detector(name: str = "yolo", **settings: Any) -> Detector:
    """A registered detector. Raises SettingError for an unknown name or setting."""
    factory = detectors.get(name)
    try:
        made: Detector = factory(**settings)
    except TypeError as error:
        raise SettingError(f"detector {name!r} does not take these settings: {error}") from None
    return made


def find_clips(paths: Iterable[str | Path]) -> list[Path]:
    """Files as they are, folders as the videos in them and below.

    Raises SourceError for a folder without videos, or a path that is not there.
    """
    clips: list[Path] = []
    for given in paths:
        path = Path(given)
        if not path.is_dir():
            clips.append(path)
            continue
        inside = sorted(f for f in path.rglob("*") if f.suffix.lower() in VIDEO_SUFFIXES and f.is_file())
        if not inside:
            raise SourceError(
                f"no video in the folder {path}; looked for {', '.join(sorted(VIDEO_SUFFIXES))}"
            )
        clips += inside
    return clips


def analyze(
    path: str | Path,
    *,
    detector: str | Detector = "yolo",
    every_s: float = 0.2,
    labels: Sequence[str] | None = None,
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
    progress: show a bar, or hand the progress to a function.
    reuse: give the finished run of the same recipe if the store has one.

    Raises SourceError, DetectorError, SettingError or StoreError, with nothing left in the
    store if the run could not begin.
    """
    opened = time.monotonic()
    source = FileSource(path)
    media = probe(path, source)
    opening_s = time.monotonic() - opened
    looker = detector if not isinstance(detector, str) else None
    if looker is None:
        looker = make_detector(str(detector), labels=labels, **settings)
    elif labels is not None or settings:
        raise SettingError("a detector that is made already takes no labels or settings")
    recipe = make_recipe(media.media_id, looker.recipe(), every_s=every_s)
    kept = store if isinstance(store, Store) else Store(store)
    if reuse and (known := _finished(kept, recipe_hash(recipe))):
        return known
    kept.add_media(media)
    run_id = kept.create_run(media.media_id, recipe, looker.default_threshold)
    return _go_on(kept, run_id, source, media, looker, progress, cancelled, opening_s)


def resume(
    store: Store,
    run_id: str,
    *,
    detector: Detector | None = None,
    progress: bool | Report = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Run:
    """Go on with a cancelled, failed or interrupted run, from its last part.

    Raises SettingError if it is done, or the detector or clip is no longer the same.
    """
    run = Run(store, run_id)
    if run.state in ("done", "running"):
        raise SettingError(f"run {run.run_id} is {run.state}; there is nothing to resume")
    source = FileSource(run.media_path)
    media = probe(run.media_path, source)
    if media.media_id != run.media["media_id"]:
        raise SourceError(f"{run.media_path} is no longer the clip of run {run.run_id}; restore it")
    looker = detector or make_detector(**detector_settings(run.recipe))
    now = make_recipe(media.media_id, looker.recipe(), every_s=run.recipe["every_s"])
    if recipe_hash(now) != run.recipe_hash:
        raise SettingError(f"the detector of run {run.run_id} has changed; start a new run")
    store.set_run_state(run.run_id, "running")
    return _go_on(store, run.run_id, source, media, looker, progress, cancelled, 0.0)


def detector_settings(recipe: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `make_detector` that gave this recipe."""
    names = ("weights", "runtime", "labels", "image_size", "score_floor", "nms_iou", "most_boxes")
    return {"name": recipe["detector"], **{n: recipe[n] for n in names if n in recipe}}


def _finished(store: Store, wanted: str) -> Run | None:
    for row in store.runs():
        if row["recipe_hash"] == wanted and row["state"] == "done":
            return Run(store, row["run_id"])
    return None


def _go_on(
    store: Store,
    run_id: str,
    source: FileSource,
    media: Media,
    detector: Detector,
    progress: bool | Report,
    cancelled: Callable[[], bool],
    opening_s: float,
) -> Run:
    begun = time.monotonic()
    recipe = store.run(run_id)["recipe"]
    manifest = {"run_id": run_id, "labels": list(detector.labels), "recipe": recipe}
    state, error = "failed", None
    try:
        with ScoreLogWriter(store.log_folder(run_id), manifest) as log, \
                _reporter(progress, media.name) as report:
            after_us = log.last_pts_us()
            done = Progress(run_id, total=source.sample_count(recipe["every_s"]))
            before = read_log(log.folder)
            done.samples, done.failed = len(before.pts_us), int((~before.ok).sum())
            analyse(
                source,
                detector,
                log,
                every_s=recipe["every_s"],
                after_us=after_us,
                progress=done,
                report=report,
                cancelled=cancelled,
            )
            log.compact()
            state = "cancelled" if cancelled() else "done"
    except KeyboardInterrupt:
        state = "cancelled"
        raise
    except (LabError, OSError) as problem:
        error = str(problem)
        if isinstance(problem, OSError):
            raise LabError(f"run {run_id} stopped: {problem.strerror or problem}; resume it later") from None
        raise
    finally:
        _close_run(store, run_id, state, error, media, opening_s + time.monotonic() - begun)
    return Run(store, run_id)


def _close_run(
    store: Store, run_id: str, state: str, error: str | None, media: Media, elapsed_s: float
) -> None:
    try:
        log = read_log(store.log_folder(run_id))
    except StoreError:  # nothing was written, not even the manifest
        store.set_run_state(run_id, state, error)
        return
    last_us = int(log.pts_us[-1]) if len(log.pts_us) else media.first_pts_us
    end_us = media.end_us if state == "done" else last_us
    effort = effort_of(log.pts_us, log.ok, end_us, store.run(run_id)["recipe"]["every_s"])
    store.finish_run(run_id, state, error=error, effort=effort.to_dict(), elapsed_s=elapsed_s)


class _reporter:
    """A progress bar, a function, or nothing, as a context that gives the function to call."""

    def __init__(self, progress: bool | Report, name: str) -> None:
        self._progress, self._name = progress, name
        self._bar: Any = None

    def __enter__(self) -> Report | None:
        if not isinstance(self._progress, bool):
            return self._progress
        if not self._progress:
            return None
        from tqdm.auto import tqdm

        self._bar = tqdm(desc=self._name, unit="sample")
        return self._update

    def _update(self, progress: Progress) -> None:
        self._bar.total = progress.total
        self._bar.update(progress.samples - self._bar.n)

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()
