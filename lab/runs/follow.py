"""Analysing a clip while it arrives: runs that are in the store from the first sample on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lab.errors import LabError, SettingError
from lab.runs.analyze import Analysis, plan_run, recorded_of
from lab.runs.execute import Outcome, PlannedRun
from lab.runs.pipeline import LoggedSample
from lab.runs.progress import Report
from lab.runs.run import Run
from lab.runs.run_pass import CatalogRegister, run_pass, waiting_for_catalog
from lab.score_log.manifest import read_manifest, write_manifest
from lab.score_log.recipe import recipe_hash
from lab.store.run_facts import read_run_facts, write_run_facts
from lab.store.store import NewRun, Store
from lab.video.media import Media

if TYPE_CHECKING:
    from lab.video.sources.streamed import StreamedSource

OnLogged = Callable[[PlannedRun, LoggedSample], None]
OnBegun = Callable[[Sequence[PlannedRun], Media], None]


def follow(
    source: StreamedSource,
    analyses: Sequence[Analysis],
    *,
    store: Store,
    run_ids: Sequence[str | None] = (),
    progress: bool | Report = False,
    cancelled: Callable[[], bool] = lambda: False,
    on_begun: OnBegun = lambda planned, media: None,
    on_logged: OnLogged = lambda plan, sample: None,
) -> list[Run]:
    """A run for each analysis, in their order. When the clip is whole they are runs of that clip.

    run_ids: of an earlier call that broke off, to go on with; None for one that is no more, empty
    to begin. on_begun: is told of them when they are in the store. on_logged: of each sample, in
    order.

    Raises StreamError if the clip did not come to its end: the runs are then `interrupted`, with
    what was seen. Else as `lab.runs.analyze.analyze_all`.
    """
    media = source.media()
    register = _ArrivingRegister(store, media, source=source, told=on_begun)
    planned: list[PlannedRun] = []
    wanted: list[str] = []
    with ExitStack() as stack:
        for i, one in enumerate(analyses):
            plan = plan_run(store, media.media_id, one, source.decoded_on)
            if isinstance(one.detector, str):
                stack.callback(plan.detector.close)
            run_id = run_ids[i] if run_ids else None
            known = plan if run_id is None else _gone_on_with(store, run_id, plan)
            wanted.append(plan.run_id if run_id is None else run_id)
            if known is None:
                continue
            if known is plan:
                register.recorded[plan.run_id] = recorded_of(plan, one)
            known.on_logged = _telling(on_logged, known)
            planned.append(known)
        if planned:
            run_pass(source, planned, register, progress=progress, cancelled=cancelled)
    return Run.many(store, wanted)


def settle(store: Store, arriving_id: str, media: Media) -> None:
    """Make the runs of a clip that has arrived those of the clip; doing it again is fine."""
    recipes: dict[str, dict] = {}
    waiting_for_catalog(lambda: recipes.update(store.settle_media(arriving_id, media)))
    for run_id, recipe in recipes.items():
        folder = store.log_folder(run_id)
        # The catalog has it; these are for a catalog that is lost.
        with suppress(LabError, OSError):
            write_manifest(folder, {**read_manifest(folder), "recipe": recipe})
            facts = read_run_facts(folder)
            if facts is not None:
                run = NewRun(run_id, recipe, facts["threshold"], facts["environment"])
                write_run_facts(folder, run, media, facts["created_utc"])


@dataclass(kw_only=True)
class _ArrivingRegister(CatalogRegister):
    """Keeps rows of runs whose clip has no identity yet, and gives it to them when it has."""

    source: StreamedSource
    told: OnBegun

    def begin(self, planned: Sequence[PlannedRun]) -> None:
        super().begin(planned)
        self.told(planned, self.media)

    def close(self, outcomes: Sequence[Outcome]) -> None:
        super().close(outcomes)
        with suppress(LabError):  # of a file that turns out to be none: the runs say so
            media = self.source.settle()
            if media is not None:
                settle(self.store, self.media.media_id, media)


def _gone_on_with(store: Store, run_id: str, plan: PlannedRun) -> PlannedRun | None:
    """An earlier run in the place of a new one; None if it is done.

    Raises SettingError if its detector has changed.
    """
    run = Run(store, run_id)
    if run.state == "done":
        return None
    before = {**run.recipe, "media_id": plan.recipe["media_id"]}
    if recipe_hash(before) != recipe_hash(plan.recipe):
        raise SettingError(f"the detector of run {run_id} has changed; start a new run")
    kept = replace(plan, run_id=run_id, folder=store.log_folder(run_id))
    kept.is_new = False
    return kept


def _telling(tell: OnLogged, plan: PlannedRun) -> Callable[[LoggedSample], None]:
    return lambda sample: tell(plan, sample)
