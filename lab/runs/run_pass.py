"""One pass over a source, with its runs in the catalog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lab.errors import DetectorError, StoreError
from lab.runs.execute import Outcome, PlannedRun, execute
from lab.runs.progress import Report, reporter
from lab.runs.run import Run
from lab.store.store import NewRun, Store
from lab.video.media import Media
from lab.video.source import Source


@dataclass
class CatalogRegister:
    """Keeps the rows of runs; see `lab.runs.execute.RunRegister`.

    recorded: for runs that are new, by run_id, what is kept beside the recipe.
    """

    store: Store
    media: Media
    recorded: dict[str, dict[str, Any]] = field(default_factory=dict)

    def begin(self, planned: Sequence[PlannedRun]) -> None:
        fresh = [
            NewRun(
                one.run_id, one.recipe, one.detector.default_threshold, self.recorded[one.run_id]
            )
            for one in planned
            if one.run_id in self.recorded
        ]
        resumed = [one.run_id for one in planned if one.run_id not in self.recorded]
        self.store.create_runs(fresh, media=self.media, resumed=resumed)

    def close(self, outcomes: Sequence[Outcome]) -> None:
        for one in outcomes:
            self.store.finish_run(
                one.run_id,
                one.state,
                error=one.error,
                effort=one.effort,
                elapsed_s=one.elapsed_s,
            )

    def withdraw(self, planned: Sequence[PlannedRun]) -> None:
        """As far as a full disk allows."""
        with suppress(StoreError):
            self.store.delete_runs(one.run_id for one in planned if one.run_id in self.recorded)


def run_pass(
    source: Source,
    planned: Sequence[PlannedRun],
    register: CatalogRegister,
    *,
    progress: bool | Report,
    cancelled: Callable[[], bool],
    opening_s: float = 0.0,
) -> list[Run]:
    """Execute, with rows in the catalog; the runs, in their order.

    A run whose detector failed on everything is failed, and the others are not; if none is
    left, DetectorError is raised.
    """
    with reporter(progress, register.media.name) as report:
        outcomes = execute(
            source,
            planned,
            media=register.media,
            register=register,
            report=report,
            cancelled=cancelled,
            opening_s=opening_s,
        )
    errors = [one.error for one in outcomes if one.state == "failed" and one.error]
    if len(errors) == len(outcomes):
        raise DetectorError(errors[0])
    return [Run(register.store, one.run_id) for one in planned]
