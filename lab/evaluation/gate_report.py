"""What a gate saved, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.errors import SettingError
from lab.evaluation.evaluate import count_run
from lab.evaluation.figures import Figures
from lab.evaluation.matching import Matching
from lab.evaluation.truth import Truth
from lab.rules.rule import Debounce, Rule
from lab.runs.run import Run
from lab.score_log.recipe import recipe_hash


@dataclass(frozen=True)
class GateReport:
    """How many samples a gate held back, and what that cost in recall.

    gate: its settings.
    samples, gated: how many samples there are, and how many were held back.
    gated_s: the media time that the gated samples stand for.
    labels: for each annotated label
        `annotations`: how many of them count.
        `hidden`: how many of them lie wholly within gated samples.
        `recall`: with hidden annotations counted as missed.
        `recall_looked_at`: over the annotations that are not hidden.
        `recall_without_gate`: of a run that differs only in the gate.
        `refused`: figure to reason, for those that are None.
    """

    gate: Mapping[str, Any]
    samples: int
    gated: int
    gated_s: float
    labels: Mapping[str, dict[str, Any]]

    @property
    def saved(self) -> float:
        """The share of samples that the detector did not have to analyse."""
        return self.gated / self.samples if self.samples else 0.0

    def to_dict(self) -> dict[str, Any]:
        """What `lab gate --json` prints."""
        return {
            "gate": dict(self.gate),
            "samples": self.samples,
            "gated": self.gated,
            "saved": self.saved,
            "gated_s": self.gated_s,
            "labels": dict(self.labels),
        }


def gate_report(
    run: Run,
    truth: Any = None,
    rule: Rule | Debounce | Mapping[str, Any] | None = None,
    *,
    labels: Sequence[str] | None = None,
    tiou: float = 0.5,
) -> GateReport:
    """What the gate of a run saved and, where it is annotated, what it cost in recall.

    truth: as `lab.evaluate` takes it. Raises SettingError for a run without a gate.
    """
    if not run.recipe.get("gate"):
        raise SettingError(
            f"run {run.run_id} has no gate; analyse the clip again with --gate motion"
        )
    truth = Truth.coerce(truth, [run], None)
    rule = run.default_rule if rule is None else Rule.coerce(rule)
    media_id = run.media["media_id"]
    annotated_labels = [
        x for x in labels or rule.wanted(run.labels) if len(truth.of(media_id, x).covered)
    ]
    effort = run.effort()
    other = _without_gate(run)
    return GateReport(
        run.recipe["gate"],
        effort.samples,
        effort.gated,
        effort.gated_s,
        {
            label: _cost(run, other, truth, rule, label, Matching(tiou=tiou))
            for label in annotated_labels
        },
    )


NO_UNGATED_RUN = (
    "the store has no finished run without the gate; analyse the clip without --gate to compare"
)


def _cost(
    run: Run, other: Run | None, truth: Truth, rule: Rule, label: str, matching: Matching
) -> dict[str, Any]:
    analysed = run.series(label).scored
    with_hidden = _figures(run, truth, rule, label, matching, analysed | run.log.gated)
    without_hidden = _figures(run, truth, rule, label, matching, analysed)
    recalls: dict[str, Figures | None] = {
        "recall": with_hidden,
        "recall_looked_at": without_hidden,
        "recall_without_gate": None
        if other is None
        else _figures(other, truth, rule, label, matching, other.series(label).scored),
    }
    return {
        "annotations": with_hidden.counts.annotations,
        "hidden": without_hidden.counts.not_analysed - with_hidden.counts.not_analysed,
        **{name: None if f is None else f.recall for name, f in recalls.items()},
        "refused": {
            name: NO_UNGATED_RUN if f is None else f.refused["recall"]
            for name, f in recalls.items()
            if f is None or f.recall is None
        },
    }


def _figures(
    run: Run, truth: Truth, rule: Rule, label: str, matching: Matching, sampled: np.ndarray
) -> Figures:
    """Figures in which `sampled` (bool, one a sample) is what was analysed."""
    of_label = truth.of(run.media["media_id"], label)
    counts, _, _ = count_run(run, label, rule, of_label, matching, sampled=sampled)
    return Figures(counts, of_label.origins)


def _without_gate(run: Run) -> Run | None:
    """A finished run of the store that differs only in the gate."""
    wanted = recipe_hash({**run.recipe, "gate": None})
    found = run.store.finished_runs([wanted])
    return Run(run.store, found[wanted]) if wanted in found else None
