"""One clip on a cluster, as the driver sees it: orders out, logs and rows into the store."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import lab
from lab import errors
from lab.detectors.detector import Detector
from lab.detectors.gate import gate_recipe, make_gate
from lab.errors import DetectorError, JobError, LabError, SettingError, SourceError
from lab.frame import Frame
from lab.jobs.cluster.order import Answer, Description, Order, TakesOrders
from lab.jobs.cluster.remote_work import sampling_of
from lab.jobs.cluster.tasks import LostError, Stopped
from lab.runs.analyze import Analysis, plan_run, recorded_of
from lab.runs.execute import Outcome, PlannedRun, State
from lab.runs.pieces import PieceLog, Stretch, add_to, end_of, error_of
from lab.runs.run import Run
from lab.runs.run_pass import CatalogRegister
from lab.score_log.effort import effort_of
from lab.score_log.recipe import make_recipe, recipe_hash
from lab.score_log.score_log import read_log
from lab.score_log.seal import log_state
from lab.score_log.writer import ScoreLogWriter
from lab.store.store import Store
from lab.video.media import Media, identify

_SAME_DISKS = "mount its disk under the same path on all nodes, or name clips by s3:// or gs://"
_GIVEN_BACK = "its worker gave it back; it waits for another one"
PIECE_SAMPLES = 1024  # minutes of work for a detector that takes 100 ms, and little to lose


class Described(Detector):
    """A detector that is loaded on a worker: all that the store keeps of it, and no model."""

    def __init__(self, description: Description) -> None:
        self.labels = tuple(description.labels)
        self.default_threshold = description.default_threshold
        self.weights_path = description.weights_path
        self.made_from = description.made_from
        self.is_stateful = description.is_stateful
        self._recipe = dict(description.recipe)

    def detect(self, frames: Sequence[Frame]) -> Any:
        raise DetectorError("this detector is loaded on a worker of the cluster, not here")

    def recipe(self) -> dict[str, Any]:
        return dict(self._recipe)


@dataclass
class ClipOnCluster:
    """A clip, done by `analyze` or `resume`.

    report: told the samples done, and those to expect, None if unknown. is_cancelled: asked some
    times a second. is_tried_again: by whoever asked, where its worker was lost.
    """

    cluster: TakesOrders
    store: Store
    report: Callable[[int, int | None, str | None], None]
    is_cancelled: Callable[[], bool]
    piece_samples: int = PIECE_SAMPLES
    parts: int = 1
    is_tried_again: bool = False
    _planned: list[PlannedRun] = field(default_factory=list, init=False)
    _found: list[list[PieceLog]] = field(default_factory=list, init=False)

    def analyze(
        self, place: str, analyses: Sequence[Mapping[str, Any]], *, reuse: bool = False,
        media_id: str | None = None,
    ) -> tuple[list[Run], bool]:  # fmt: skip
        """The runs, in the order of the analyses, and whether all were in the store already.

        Raises LabError as `lab.analyze` does, Stopped if cancelled before anything was there.
        """
        order = Order(
            lab.__version__, analyses, place, piece_samples=self.piece_samples, parts=self.parts,
            media_id=media_id,
        )  # fmt: skip
        answer = self._first(order)
        media = Media(**(answer.media or {}))
        if media_id is not None and media.media_id != media_id:
            raise SourceError(f"{place} is no longer the clip that was chosen; name it again")
        if os.path.exists(place) and identify(place) != media.media_id:
            raise SourceError(f"{place} is another file on {answer.host} than here; {_SAME_DISKS}")
        register = CatalogRegister(self.store, media)
        pass_id = uuid.uuid4().hex[:8] if len(analyses) > 1 else None
        there: list[str | None] = []
        for one, description in zip(analyses, answer.detectors, strict=True):
            analysis = _analysis(one, description)
            plan = plan_run(self.store, media.media_id, analysis, answer.decoded_on)
            there.append(whole_run(self.store, recipe_hash(plan.recipe)) if reuse else None)
            self._planned.append(plan)
            register.recorded[plan.run_id] = recorded_of(plan, analysis, pass_id)
        if all(there):
            return Run.many(self.store, [one for one in there if one]), True
        # One that is there is analysed with the others, and not kept.
        kept = [i for i, one in enumerate(there) if one is None]
        self._keep(answer, order, register, kept)
        made = {self._planned[i].run_id for i in kept}
        ids = [one or plan.run_id for one, plan in zip(there, self._planned, strict=True)]
        runs = Run.many(self.store, ids)
        failures = [run.error for run in runs if run.run_id in made and run.state == "failed"]
        if failures and len(failures) == len(made):
            raise DetectorError(failures[0] or "the detector failed")
        return runs, False

    def resume(
        self, run_id: str, detector: Mapping[str, Any], sampling: Mapping[str, Any],
        recipe: Mapping[str, Any],
    ) -> Run:  # fmt: skip
        """Go on with a run after the last sample of its log. recipe: that it was begun with.

        Raises SettingError if its detector has changed, SourceError for another clip.
        """
        run = Run(self.store, run_id)
        folder = self.store.log_folder(run_id)
        with ScoreLogWriter(folder, {"run_id": run_id, "labels": recipe["labels"],
                                     "recipe": dict(recipe)}) as log:  # fmt: skip
            log.set_damaged_aside()
            after_us = log.last_pts_us()
        analysis = {"name": run.analysis, "detector": dict(detector), **sampling}
        order = Order(
            lab.__version__, [analysis], run.media["path"], Stretch(after_us), self.piece_samples,
            self.parts, run.media["media_id"],
        )  # fmt: skip
        answer = self._first(order)
        media = Media(**(answer.media or {}))
        if media.media_id != run.media["media_id"]:
            raise SourceError(f"{run.media_path} is no longer the clip of run {run_id}; restore it")
        if answer.decoded_on != (before := recipe.get("decoded_on", "cpu")):
            raise SettingError(
                f"run {run_id} was decoded on {before!r}, and {answer.host} does so on "
                f"{answer.decoded_on!r}; set decoding_device (LAB_DECODING_DEVICE) there"
            )
        one = _analysis(analysis, answer.detectors[0])
        now = make_recipe(
            media.media_id,
            answer.detectors[0].recipe,
            sampling=one.sampling(),
            gate=gate_recipe(make_gate(one.gate)),
            decoded_on=answer.decoded_on,
        )
        if recipe_hash(now) != recipe_hash(recipe):
            raise SettingError(f"the detector of run {run_id} has changed; start a new run")
        self._planned = [
            PlannedRun(run_id, folder, dict(recipe), one.make(self.store), one.sampling())
        ]
        self._keep(answer, order, CatalogRegister(self.store, media), [0])
        made = Run(self.store, run_id)
        if made.state == "failed":
            raise DetectorError(made.error or "the detector failed")
        return made

    def _first(self, order: Order) -> Answer:
        with closing(self.cluster.run([order], self.is_cancelled)) as answers:
            return checked(next(answers))

    def _answers(self, first: Answer, order: Order) -> Iterator[Answer]:
        """The first, if it has a result already; else those of all stretches."""
        if first.result is not None:
            yield first
            return
        orders = [replace(order, stretch=one, piece_samples=0) for one in first.stretches]
        with closing(self.cluster.run(orders, self.is_cancelled)) as answers:
            for answer in answers:
                yield checked(answer)

    def _keep(
        self, first: Answer, order: Order, register: CatalogRegister, kept: Sequence[int]
    ) -> None:
        """Write what comes into the logs, in order, and close the runs, however it ends."""
        planned = [self._planned[i] for i in kept]
        self._found = [[] for _ in planned]
        has_begun = False
        try:
            with ExitStack() as stack:
                logs = [
                    stack.enter_context(ScoreLogWriter(one.folder, one.manifest)) for one in planned
                ]
                before = [read_log(one.folder) for one in planned]
                register.begin(planned)
                has_begun = True
                ended: tuple[State, str | None] = ("failed", "the analysis was ended")
                try:
                    self._take_all(first, order, logs, kept, sum(len(b.pts_us) for b in before))
                    ended = ("cancelled" if self.is_cancelled() else "done", None)
                except Stopped:
                    is_left = self.is_tried_again and not self.is_cancelled()
                    ended = ("interrupted", _GIVEN_BACK) if is_left else ("cancelled", None)
                except BaseException as problem:
                    is_left = self.is_tried_again and isinstance(problem, LostError)
                    how: State = "interrupted" if is_left else "failed"
                    ended = (how, str(problem) or type(problem).__name__)
                    raise
                finally:
                    analysed = [int(one.ok.sum()) for one in before]
                    # The error that ended the runs is told, not another one that it brought about.
                    is_failing = ended[1] is not None
                    with suppress(LabError, OSError) if is_failing else nullcontext():
                        self._close(register, planned, logs, ended, analysed, first.opening_s)
        except OSError as problem:
            left = [p for p in planned if p.is_new and not any(p.folder.glob("samples-*.parquet"))]
            for one in left:
                shutil.rmtree(one.folder, ignore_errors=True)
            if has_begun:
                register.withdraw(left)
            ids = " ".join(one.run_id for one in planned)
            why = problem.strerror or str(problem)
            raise LabError(
                f"run {ids} stopped: {why}; fix that, then resume or repeat it"
            ) from None

    def _take_all(
        self, first: Answer, order: Order, logs: Sequence[ScoreLogWriter], kept: Sequence[int],
        there: int,
    ) -> None:  # fmt: skip
        counts = [first.counts[i] for i in kept]
        total = None if None in counts else sum(c for c in counts if c is not None)
        done = there
        for answer in self._answers(first, order):
            assert answer.result is not None
            for found, log, i in zip(self._found, logs, kept, strict=True):
                piece = answer.result.logs[i]
                found.append(piece)
                add_to(log, piece)
                done += piece.count
            self.report(done, total, self._planned[kept[0]].run_id)
            if answer.result.broken is not None:
                raise _error(*answer.result.broken)

    def _close(
        self,
        register: CatalogRegister,
        planned: Sequence[PlannedRun],
        logs: Sequence[ScoreLogWriter],
        ended: tuple[State, str | None],
        analysed: Sequence[int],
        opening_s: float,
    ) -> None:
        state, error = ended
        outcomes = []
        for i, (one, writer) in enumerate(zip(planned, logs, strict=True)):
            failed = error_of(self._found[i], analysed[i])
            writer.compact()
            log = read_log(one.folder)
            last_us = int(log.pts_us[-1]) if len(log.pts_us) else None
            is_whole = state == "done" and failed is None
            end_us = end_of(register.media, last_us, is_whole=is_whole)
            effort = effort_of(log.pts_us, log.ok, end_us, one.recipe["every_s"], log.gated)
            seconds = sum(piece.seconds for piece in self._found[i]) + opening_s / len(planned)
            how: State = "failed" if failed else state
            outcomes.append(Outcome(one.run_id, how, error or failed, effort.to_dict(), seconds))
        register.close(outcomes)


def checked(answer: Answer) -> Answer:
    """Raises what became of the order instead."""
    if answer.error is not None:
        if here := [one for one in answer.missing if os.path.exists(one)]:
            words = f"{answer.host} has no {here[0]}, which is here; {_SAME_DISKS}"
            raise _error(answer.error[0], words)
        raise _error(*answer.error)
    return answer


def _error(kind: str, text: str) -> LabError:
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, LabError):
        return known(text)
    error = JobError(text)
    error.kind = kind  # type: ignore[attr-defined]
    return error


def _analysis(one: Mapping[str, Any], description: Description) -> Analysis:
    sampling = sampling_of(dict(one))
    return Analysis(
        detector=Described(description),
        name=one.get("name"),
        interval_s=sampling.every_s,
        frame_count=sampling.frame_count,
        frame_step=sampling.frame_step,
        gate=one.get("gate"),
    )


def whole_run(store: Store, wanted: str) -> str | None:
    """The newest whole run of a recipe's hash."""
    rows = store.runs(recipe_hash=wanted, state="done")
    ids = (str(row["run_id"]) for row in rows)
    return next((i for i in ids if not log_state(store.log_folder(i), i).damaged), None)
