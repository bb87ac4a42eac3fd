"""Runs under way: their rows in the store, their logs, and how they end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from lab.detectors.detector import Detector
from lab.detectors.gate import Gate
from lab.errors import DetectorError, LabError, StoreError
from lab.runs.pipeline import AnalysisTask, run_tasks
from lab.runs.progress import Progress, Report, reporter
from lab.runs.run import Run
from lab.score_log.effort import effort_of
from lab.score_log.score_log import read_log
from lab.score_log.writer import ScoreLogWriter
from lab.store.store import Store
from lab.video.media import Media
from lab.video.sampling import Sampling
from lab.video.sources.file import FileSource


@dataclass
class PlannedRun:
    """A run to be done, new or resumed. begin: writes its row, under the log's lock."""

    run_id: str
    recipe: dict[str, Any]
    detector: Detector
    sampling: Sampling
    begin: Callable[[], Any]
    gate: Gate | None = None
    fresh: bool = field(default=True, init=False)

    @property
    def manifest(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "labels": list(self.detector.labels), "recipe": self.recipe}


@dataclass
class RunPass:
    """One decode of a clip, and the runs that are made of it."""

    store: Store
    source: FileSource
    media: Media
    plans: Sequence[PlannedRun]
    progress: bool | Report
    cancelled: Callable[[], bool]

    def go(self, opening_s: float) -> list[Run]:
        """Analyse from where each log ends.

        A run whose detector failed on everything is failed, and the others are not; if none is
        left, DetectorError is raised.
        """
        begun = time.monotonic()
        for plan in self.plans:
            plan.fresh = not self.store.log_folder(plan.run_id).exists()
        try:
            tasks = self._in_logs(begun - opening_s)
        except OSError as problem:
            for plan in self.plans:
                self._leave_nothing(plan)
            why = problem.strerror or str(problem)
            ids = " ".join(plan.run_id for plan in self.plans)
            raise LabError(
                f"run {ids} stopped: {why}; mend that, then resume or repeat it"
            ) from None
        errors = [task.error for task in tasks if task.error is not None]
        if len(errors) == len(tasks):
            raise DetectorError(errors[0])
        return [Run(self.store, plan.run_id) for plan in self.plans]

    def _in_logs(self, begun: float) -> list[AnalysisTask]:
        with ExitStack() as stack:
            tasks = []
            for plan in self.plans:
                log = stack.enter_context(
                    ScoreLogWriter(self.store.log_folder(plan.run_id), plan.manifest)
                )
                plan.begin()
                tasks.append(
                    AnalysisTask(plan.detector, log, plan.sampling, plan.run_id, plan.gate)
                )
            state, error = "failed", None
            try:
                self._analyse(tasks)
                state = "cancelled" if self.cancelled() else "done"
            except KeyboardInterrupt:
                state = "cancelled"
                raise KeyboardInterrupt(" ".join(plan.run_id for plan in self.plans)) from None
            except Exception as problem:
                error = str(problem) or type(problem).__name__
                raise
            finally:
                spent = time.monotonic() - begun
                shared = max(0.0, spent - sum(task.detect_s for task in tasks)) / len(tasks)
                for plan, task in zip(self.plans, tasks, strict=True):
                    why = error or task.error
                    with suppress(StoreError) if error else nullcontext():
                        self._close(
                            plan, "failed" if task.error else state, why, task.detect_s + shared
                        )
        return tasks

    def _analyse(self, tasks: list[AnalysisTask]) -> None:
        for plan, task in zip(self.plans, tasks, strict=True):
            task.log.set_damaged_aside()
            before = read_log(task.log.folder)
            task.after_us = task.log.last_pts_us()
            done = task.progress = Progress(
                plan.run_id, total=self.source.sample_count(plan.sampling)
            )
            done.samples, done.gated = len(before.pts_us), int(before.gated.sum())
            done.failed = int((~before.ok & ~before.gated).sum())
        with reporter(self.progress, self.media.name) as report:
            run_tasks(self.source, tasks, report=report, cancelled=self.cancelled)
        for task in tasks:
            task.log.compact()

    def _close(self, plan: PlannedRun, state: str, error: str | None, elapsed_s: float) -> None:
        log = read_log(self.store.log_folder(plan.run_id))
        last_us = int(log.pts_us[-1]) if len(log.pts_us) else self.media.first_pts_us
        end_us = self.media.end_us if state == "done" else last_us
        effort = effort_of(log.pts_us, log.ok, end_us, plan.recipe["every_s"], log.gated).to_dict()
        self.store.finish_run(plan.run_id, state, error=error, effort=effort, elapsed_s=elapsed_s)

    def _leave_nothing(self, plan: PlannedRun) -> None:
        """Where nothing was written the store stays as it was, as far as a full disk allows."""
        folder = self.store.log_folder(plan.run_id)
        if not plan.fresh or any(folder.glob("samples-*.parquet")):
            return
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(StoreError):
            self.store.delete_run(plan.run_id)
