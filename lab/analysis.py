"""Running a detector over a clip once, and keeping the run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
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
from lab.score_log import read_log
from lab.score_log_writer import ScoreLogWriter
from lab.sources.file import FileSource
from lab.store.store import Store, new_run_id

VIDEO_SUFFIXES = frozenset(
    [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".flv", ".gif", ".wmv", ".asf", ".ogv", ".3gp"]
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
        if not str(given).strip():
            raise SettingError("an empty path was given; name a file or a folder")
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
    run_id = new_run_id()

    def begin() -> None:
        place = getattr(looker, "weights_path", None)
        kept.create_run(run_id, recipe, looker.default_threshold, weights_path=place)

    job = _Job(kept, run_id, recipe, source, media, looker, progress, cancelled)
    return job.go_on(begin, opening_s)


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
    if run.state == "running" or (run.state == "done" and not run.log.damaged):
        raise SettingError(f"run {run.run_id} is {run.state}; there is nothing to resume")
    source = FileSource(run.media_path)
    media = probe(run.media_path, source)
    if media.media_id != run.media["media_id"]:
        raise SourceError(f"{run.media_path} is no longer the clip of run {run.run_id}; restore it")
    looker = detector or make_detector(**detector_settings(run.recipe, run.weights_path))
    now = make_recipe(media.media_id, looker.recipe(), every_s=run.recipe["every_s"])
    if recipe_hash(now) != run.recipe_hash:
        raise SettingError(f"the detector of run {run.run_id} has changed; start a new run")
    job = _Job(store, run.run_id, run.recipe, source, media, looker, progress, cancelled)
    return job.go_on(lambda: store.set_run_state(run.run_id, "running"), 0.0)


def detector_settings(recipe: dict[str, Any], weights_path: str | None = None) -> dict[str, Any]:
    """The arguments of `make_detector` that gave this recipe.

    weights_path: where its weights lay; a file that has changed shows in its hash.
    """
    names = ("weights", "runtime", "labels", "image_size", "score_floor", "nms_iou", "most_boxes")
    settings = {"name": recipe["detector"], **{n: recipe[n] for n in names if n in recipe}}
    if weights_path is not None:
        settings["weights"] = weights_path
    return settings


def _finished(store: Store, wanted: str) -> Run | None:
    for row in store.runs():
        if row["recipe_hash"] == wanted and row["state"] == "done":
            return Run(store, row["run_id"])
    return None


@dataclass
class _Job:
    """A run under way, new or resumed."""

    store: Store
    run_id: str
    recipe: dict[str, Any]
    source: FileSource
    media: Media
    detector: Detector
    progress: bool | Report
    cancelled: Callable[[], bool]

    def go_on(self, begin: Callable[[], Any], opening_s: float) -> Run:
        """Analyse from where the log ends. `begin` writes the run's row, under the log's lock."""
        begun = time.monotonic()
        folder = self.store.log_folder(self.run_id)
        manifest = {"run_id": self.run_id, "labels": list(self.detector.labels), "recipe": self.recipe}
        fresh = not folder.exists()
        try:
            with ScoreLogWriter(folder, manifest) as log:
                begin()
                state, error = "failed", None
                try:
                    state = self._analyse(log)
                except KeyboardInterrupt:
                    state = "cancelled"
                    raise KeyboardInterrupt(self.run_id) from None
                except Exception as problem:
                    error = str(problem) or type(problem).__name__
                    raise
                finally:
                    with suppress(StoreError) if error else nullcontext():
                        self._close(state, error, opening_s + time.monotonic() - begun)
        except OSError as problem:
            if fresh and not any(folder.glob("samples-*.parquet")):
                self._leave_nothing(folder)
            why = problem.strerror or str(problem)
            raise LabError(f"run {self.run_id} stopped: {why}; mend that, then resume or repeat it") from None
        return Run(self.store, self.run_id)

    def _analyse(self, log: ScoreLogWriter) -> str:
        log.set_damaged_aside()
        before = read_log(log.folder)
        done = Progress(self.run_id, total=self.source.sample_count(self.recipe["every_s"]))
        done.samples, done.failed = len(before.pts_us), int((~before.ok).sum())
        with _reporter(self.progress, self.media.name) as report:
            analyse(
                self.source,
                self.detector,
                log,
                every_s=self.recipe["every_s"],
                after_us=log.last_pts_us(),
                progress=done,
                report=report,
                cancelled=self.cancelled,
            )
        log.compact()
        return "cancelled" if self.cancelled() else "done"

    def _close(self, state: str, error: str | None, elapsed_s: float) -> None:
        log = read_log(self.store.log_folder(self.run_id))
        last_us = int(log.pts_us[-1]) if len(log.pts_us) else self.media.first_pts_us
        end_us = self.media.end_us if state == "done" else last_us
        effort = effort_of(log.pts_us, log.ok, end_us, self.recipe["every_s"]).to_dict()
        self.store.finish_run(self.run_id, state, error=error, effort=effort, elapsed_s=elapsed_s)

    def _leave_nothing(self, folder: Path) -> None:
        """Nothing was written: the store stays as it was, as far as a full disk allows."""
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(StoreError):
            self.store.delete_run(self.run_id)


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
