"""What a gate saved, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import SettingError
from lab.evaluation.figures import Figures
from lab.evaluation.matching import Matching
from lab.evaluation.truth import Truth
from lab.rules.rule import Debounce, Rule

if TYPE_CHECKING:
    from lab.runs.run import Run


@dataclass(frozen=True)
class GateReport:
    """Samples that a gate held back, and recall with the presences that it hid.

    gate: its settings. samples, gated: counts; gated_s: media time. labels: per annotated label
    `annotations`, `recall` where a presence on which every sample was held back counts as missed,
    `recall_looked_at` over those on which the detector looked at least once, `hidden` (how many it
    never looked at), and `recall_without_gate` of a run that is the same but for the gate, None if
    the store has none.
    """

    gate: Mapping[str, Any]
    samples: int
    gated: int
    gated_s: float
    labels: Mapping[str, dict[str, Any]]

    @property
    def saved(self) -> float:
        """The share of samples that the detector was spared."""
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
        raise SettingError(f"run {run.run_id} has no gate; make one with --gate motion")
    known = Truth.coerce(truth, [run], None)
    wanted = run.default_rule if rule is None else Rule.coerce(rule)
    media_id = run.media["media_id"]
    spoken = [x for x in labels or wanted.wanted(run.labels) if len(known.of(media_id, x).covered)]
    effort = run.effort()
    other = _without_gate(run)
    return GateReport(
        run.recipe["gate"],
        effort.samples,
        effort.gated,
        effort.gated_s,
        {label: _cost(run, other, known, wanted, label, Matching(tiou=tiou)) for label in spoken},
    )


def _cost(
    run: Run, other: Run | None, known: Truth, rule: Rule, label: str, matching: Matching
) -> dict[str, Any]:
    looked = run.series(label).scored
    sampled = looked | run.log.gated
    with_hidden = _figures(run, known, rule, label, matching, sampled)
    seen = _figures(run, known, rule, label, matching, looked)
    whole = (
        None
        if other is None
        else _figures(other, known, rule, label, matching, other.series(label).scored)
    )
    return {
        "annotations": with_hidden.counts.annotations,
        "hidden": seen.counts.not_analysed - with_hidden.counts.not_analysed,
        "recall": with_hidden.recall,
        "recall_looked_at": seen.recall,
        "recall_without_gate": None if whole is None else whole.recall,
    }


def _figures(
    run: Run, known: Truth, rule: Rule, label: str, matching: Matching, sampled: np.ndarray
) -> Figures:
    """Figures in which `sampled` (bool, one a sample) is what was analysed."""
    from lab.evaluation.counts import count
    from lab.evaluation.evaluate import presences_of

    counts, _ = count(
        presences_of(run, label, rule),
        known.of(run.media["media_id"], label),
        matching,
        pts_us=run.log.pts_us[sampled],
        interval_us=round(run.sample_interval_s * 1e6),
        analysed=run.series(label).spans_of(sampled),
        start_us=run.media["first_pts_us"],
    )
    return Figures(counts)


def _without_gate(run: Run) -> Run | None:
    """A finished run of the store that differs in nothing but the gate."""
    from lab.runs.run import Run
    from lab.score_log.recipe import recipe_hash

    wanted = recipe_hash({**run.recipe, "gate": None})
    rows = run.store.runs(media_id=run.media["media_id"])
    found = next((r for r in rows if r["recipe_hash"] == wanted and r["state"] == "done"), None)
    return None if found is None else Run(run.store, found["run_id"])
