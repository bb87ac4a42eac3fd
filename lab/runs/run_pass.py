"""One pass over a source, with its runs in the catalog."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from lab.errors import DetectorError, StoreBusyError, StoreError
from lab.runs.execute import Outcome, PlannedRun, execute
from lab.runs.progress import Report, reporter
from lab.runs.run import Run
from lab.store.outcomes import remove_outcome, write_outcome
from lab.store.repair import restore_run_facts
from lab.store.run_facts import write_run_facts
from lab.store.store import EndedRun, NewRun, Store
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
        for one in planned:
            remove_outcome(one.folder)
        for new in fresh:
            write_run_facts(self.store.log_folder(new.run_id), new, self.media)
        for run_id in resumed:
            restore_run_facts(self.store, self.store.run(run_id), self.media)
        self.store.create_runs(fresh, media=[self.media], resumed=resumed)

    def close(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the outcomes beside the logs, then in the catalog, as soon as it can be had."""
        keep_outcomes(self.store, outcomes)
        ended = [EndedRun(**asdict(one)) for one in outcomes]
        waiting_for_catalog(lambda: self.store.finish_runs(ended))

    def withdraw(self, planned: Sequence[PlannedRun]) -> None:
        """As far as a full disk allows."""
        with suppress(StoreError):
            self.store.delete_runs(one.run_id for one in planned if one.run_id in self.recorded)


def keep_outcomes(store: Store, outcomes: Sequence[Outcome]) -> None:
    """Write each beside its log."""
    for one in outcomes:
        with suppress(OSError):  # of a full disk; the catalog may still take it
            write_outcome(
                store.log_folder(one.run_id),
                one.state,
                error=one.error,
                effort=one.effort,
                elapsed_s=one.elapsed_s,
            )


def waiting_for_catalog(action: Callable[[], None]) -> None:
    """Do it, however long others keep the catalog; says so on standard error."""
    has_said = False
    while True:
        try:
            action()
        except StoreBusyError as error:
            if not has_said:
                print(
                    f"lab: the analysis has ended and is kept; waiting for the store: {error}",
                    file=sys.stderr,
                    flush=True,
                )
            has_said = True
        else:
            return


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
    return Run.many(register.store, [one.run_id for one in planned])
