"""Analysing a source into score logs. No catalog is touched here, so that a process or a machine
elsewhere can do it and return the logs' parts.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from lab.detectors.detector import Detector
from lab.detectors.gate import Gate
from lab.errors import LabError, LogWriteError, StreamError
from lab.runs.pipeline import FLUSH_EVERY_S, Ahead, AnalysisTask, LoggedSample, run_tasks
from lab.runs.progress import Progress
from lab.score_log.effort import effort_of
from lab.score_log.score_log import read_log
from lab.score_log.writer import ScoreLogWriter
from lab.video.media import Media
from lab.video.sampling import Sampling
from lab.video.source import LiveSource, Sample, Source

State = Literal["done", "cancelled", "failed", "interrupted"]


@dataclass
class PlannedRun:
    """A run to be done, new or gone on with.

    folder: the place for its log; what lies there already is not analysed again. on_logged,
    on_size: as of `AnalysisTask`.
    """

    run_id: str
    folder: Path
    recipe: dict[str, Any]
    detector: Detector
    sampling: Sampling
    gate: Gate | None = None
    on_logged: Callable[[LoggedSample], None] | None = None
    on_size: Callable[[tuple[int, int]], None] | None = None
    is_new: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_new = not self.folder.exists()

    @property
    def manifest(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "labels": list(self.detector.labels), "recipe": self.recipe}


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and what was analysed (as of `lab.score_log.effort.Effort`).

    It is interrupted if its source broke off while it was arriving: it can be gone on with.
    """

    run_id: str
    state: State
    error: str | None
    effort: dict[str, Any]
    elapsed_s: float


class RunRegister(Protocol):
    """Is told of the runs of a pass while their logs are locked."""

    def begin(self, planned: Sequence[PlannedRun]) -> None:
        """All logs are locked, nothing is written yet. Registers all of the runs or none."""
        ...

    def close(self, outcomes: Sequence[Outcome]) -> None:
        """All logs are whole on disk."""
        ...

    def withdraw(self, planned: Sequence[PlannedRun]) -> None:
        """These left nothing behind: forget that they were begun."""
        ...


class NoRegister:
    """For analyses whose logs somebody else registers."""

    def begin(self, planned: Sequence[PlannedRun]) -> None:
        pass

    def close(self, outcomes: Sequence[Outcome]) -> None:
        pass

    def withdraw(self, planned: Sequence[PlannedRun]) -> None:
        pass


def execute(
    source: Source,
    planned: Sequence[PlannedRun],
    *,
    media: Media,
    register: RunRegister | None = None,
    report: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    opening_s: float = 0.0,
    flush_every_s: float = FLUSH_EVERY_S,
) -> list[Outcome]:
    """Analyse from where each log ends; one outcome for each, in their order.

    One whose detector failed on everything is `failed`, and the others are not. opening_s:
    seconds that were spent on the source before; they count as spent on the runs.
    flush_every_s: how long samples may wait until they are written.

    Raises whatever ends all of them: a source that breaks, a full disk, a register that cannot
    be reached, KeyboardInterrupt. A new run that could not begin leaves no folder; nor does one
    that found the disk full before anything was logged.
    """
    book = register or NoRegister()
    began = time.monotonic() - opening_s
    has_begun = False
    try:
        with ExitStack() as stack:
            tasks = [
                AnalysisTask(
                    one.detector,
                    stack.enter_context(ScoreLogWriter(one.folder, one.manifest)),
                    one.sampling,
                    one.run_id,
                    one.gate,
                    is_live=source.is_live,
                    on_logged=one.on_logged,
                    size_px=(media.width_px, media.height_px) if source.changes_size else None,
                    on_size=one.on_size,
                )
                for one in planned
            ]
            early = None
            if all(one.is_new for one in planned) and not source.is_live:
                early = stack.enter_context(Ahead.of(_samples(source, tasks), is_recorded=True))
            book.begin(planned)
            has_begun = True
            return _analyse(
                source, planned, tasks, media, book, report, cancelled, began, early, flush_every_s
            )
    except BaseException as problem:
        if not has_begun or isinstance(problem, OSError):
            left = [one for one in planned if one.is_new and not _has_parts(one.folder)]
            for one in left:
                shutil.rmtree(one.folder, ignore_errors=True)
            if has_begun:
                book.withdraw(left)
        if not isinstance(problem, OSError):
            raise
        ids = " ".join(one.run_id for one in planned)
        why = problem.strerror or str(problem)
        raise LogWriteError(
            f"run {ids} stopped: {why}; fix that, then resume or repeat it"
        ) from None


def _analyse(
    source: Source,
    planned: Sequence[PlannedRun],
    tasks: Sequence[AnalysisTask],
    media: Media,
    register: RunRegister,
    report: Callable[[Progress], None] | None,
    cancelled: Callable[[], bool],
    began: float,
    early: Ahead | None,
    flush_every_s: float,
) -> list[Outcome]:
    """Under the logs' locks, with the runs registered: analyse, and close them however it ends.

    early: the samples, where all of the clip is wanted, decoded since before that.
    """

    grew = source.is_growing

    def close(state: State, error: str | None = None) -> list[Outcome]:
        spent_s = time.monotonic() - began
        shared_s = max(0.0, spent_s - sum(task.detect_s for task in tasks)) / len(tasks)
        known = source.media() if grew else media
        outcomes = [
            _outcome(one, task, known, state, error, task.detect_s + shared_s)
            for one, task in zip(planned, tasks, strict=True)
        ]
        register.close(outcomes)
        return outcomes

    try:
        for one, task in zip(planned, tasks, strict=True):
            _go_on(one, task, source)
        if isinstance(source, LiveSource):
            source.idle = partial(_keep_what_waits, tasks, flush_every_s)
        samples = early or _samples(source, tasks)
        is_whole = run_tasks(
            samples,
            tasks,
            report=report,
            cancelled=cancelled,
            flush_every_s=flush_every_s,
            waits_for_batches=not grew,
        )
        for task in tasks:
            task.log.compact()
    except KeyboardInterrupt:
        close("cancelled")
        raise KeyboardInterrupt(" ".join(one.run_id for one in planned)) from None
    except Exception as problem:
        is_broken_off = isinstance(problem, StreamError)
        state: State = "interrupted" if is_broken_off else "failed"
        _close_quietly(close, state, str(problem) or type(problem).__name__)
        raise
    return close("done" if is_whole and not cancelled() else "cancelled")


def _samples(source: Source, tasks: Sequence[AnalysisTask]) -> Iterator[Sample]:
    """From where each log ends."""
    return source.samples(
        [task.sampling for task in tasks], [task.shown_after_us for task in tasks]
    )


def _keep_what_waits(tasks: Sequence[AnalysisTask], seconds: float) -> None:
    """Where nothing comes, nothing but this writes what came last."""
    for task in tasks:
        task.log.flush_after(seconds)


def _close_quietly(close: Callable[..., object], state: State, error: str) -> None:
    """The error that ended the runs is told, not another one that it brought about."""
    try:
        close(state, error)
    except (LabError, OSError):
        return


def _go_on(one: PlannedRun, task: AnalysisTask, source: Source) -> None:
    """Begin after what the log has already."""
    task.log.set_damaged_aside()
    before = read_log(one.folder)
    task.after_us = task.log.last_pts_us()
    task.analysed = int(before.ok.sum())
    task.progress = Progress(
        one.run_id,
        samples=len(before.pts_us),
        failed=int((~before.ok & ~before.gated).sum()),
        gated=int(before.gated.sum()),
        total=source.sample_count(one.sampling),
    )


def _outcome(
    one: PlannedRun,
    task: AnalysisTask,
    media: Media,
    state: State,
    error: str | None,
    elapsed_s: float,
) -> Outcome:
    log = read_log(one.folder)
    last_us = int(log.pts_us[-1]) if len(log.pts_us) else media.first_pts_us
    is_whole = state == "done" and task.error is None
    end_us = max(media.end_us, last_us) if is_whole else last_us
    effort = effort_of(log.pts_us, log.ok, end_us, one.recipe["every_s"], log.gated)
    ended: State = "failed" if task.error else state
    return Outcome(one.run_id, ended, error or task.error, effort.to_dict(), elapsed_s)


def _has_parts(folder: Path) -> bool:
    return next(folder.glob("samples-*.parquet"), None) is not None
