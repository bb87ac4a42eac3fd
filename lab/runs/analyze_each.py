"""One analysis of many clips, one after the other: a folder of short ones, above all."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import DetectorError, LabError, SourceError, StoreError, printable
from lab.registry import in_words
from lab.runs.analyze import Analysis, opening, plan_run, recorded_of
from lab.runs.execute import Outcome, PlannedRun, execute
from lab.runs.progress import Report, reporter
from lab.runs.run import summary_of
from lab.runs.run_pass import keep_outcomes, waiting_for_catalog
from lab.score_log.recipe import protocol_hash, recipe_hash
from lab.score_log.seal import log_state
from lab.store.run_facts import write_run_facts
from lab.store.store import EndedRun, NewRun, Store
from lab.video.media import Media

Clip = str | Path
Summary = dict[str, Any]


@dataclass
class _FolderRegister:
    """Keeps the rows of runs that follow each other; see `lab.runs.execute.RunRegister`.

    The outcome of one is written with the beginning of the next, in one transaction. If the
    process is killed between the two, the next to open the catalog finds it beside the log.
    """

    store: Store
    one: Analysis
    media: Media | None = None
    waiting: list[EndedRun] = field(default_factory=list)

    def begin(self, planned: Sequence[PlannedRun]) -> None:
        runs = [
            NewRun(p.run_id, p.recipe, p.detector.default_threshold, recorded_of(p, self.one))
            for p in planned
        ]
        media = [self.media] if self.media is not None else []
        for run, facts in zip(runs, media, strict=True):
            write_run_facts(self.store.log_folder(run.run_id), run, facts)
        self.store.create_runs(runs, media=media, ended=self.waiting)
        self.waiting = []

    def close(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the outcomes beside the logs; the catalog has them with the next beginning."""
        keep_outcomes(self.store, outcomes)
        self.waiting += [EndedRun(**asdict(one)) for one in outcomes]

    def withdraw(self, planned: Sequence[PlannedRun]) -> None:
        """As far as a full disk allows."""
        with suppress(StoreError):
            self.store.delete_runs(one.run_id for one in planned)

    def flush(self) -> None:
        waiting_for_catalog(lambda: self.store.finish_runs(self.waiting))
        self.waiting = []


def analyze_each(
    clips: Iterable[Clip],
    one: Analysis,
    *,
    store: Store,
    progress: bool | Report = True,
    reuse: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
) -> Generator[tuple[Clip, Summary | LabError]]:
    """Each clip with what `Run.summary` says of its run, or with the error that it ended with.

    one: its detector should be loaded. reuse: take finished runs of the same recipe. Close the
    generator (`contextlib.closing`) if not all of it is taken: the last outcome is written then.

    Raises StoreError if the last outcome cannot be written, KeyboardInterrupt.
    """
    register = _FolderRegister(store, one)
    finished: dict[str, Summary] | None = None
    try:
        for clip in clips:
            begun = time.monotonic()
            try:
                with opening(clip) as source:
                    media = register.media = source.media()
                    plan = plan_run(store, media.media_id, one, source.decoded_on)
                    if reuse and finished is None:
                        finished = _finished(store, protocol_hash(plan.recipe))
                    done = (finished or {}).get(recipe_hash(plan.recipe))
                    if done is not None and _is_whole(store, done["run_id"]):
                        yield clip, done
                        continue
                    with reporter(progress, media.name) as report:
                        (outcome,) = execute(
                            source, [plan], media=media, register=register, report=report,
                            cancelled=cancelled, opening_s=time.monotonic() - begun,
                        )  # fmt: skip
                if outcome.state == "failed" and outcome.error:
                    raise DetectorError(outcome.error)
            except LabError as error:
                yield clip, error
                continue
            except (OSError, UnicodeError) as error:  # of a clip with an odd name or place
                yield clip, SourceError(f"{printable(clip)}: {in_words(error)}")
                continue
            row = {**asdict(outcome), "recipe_hash": recipe_hash(plan.recipe)}
            yield clip, summary_of(store, row, media.to_dict())
    finally:
        register.flush()


def _is_whole(store: Store, run_id: str) -> bool:
    return not log_state(store.log_folder(run_id), run_id).damaged


def _finished(store: Store, protocol: str) -> dict[str, Summary]:
    """The newest finished runs of a protocol, by recipe_hash: read once for all clips."""
    rows = store.runs(protocol_hash=protocol, state="done", order="oldest")
    media = {m["media_id"]: m for m in store.media_rows(media_id=[r["media_id"] for r in rows])}
    return {row["recipe_hash"]: summary_of(store, row, media[row["media_id"]]) for row in rows}
