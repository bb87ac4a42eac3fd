"""What an entry comes to, for a list of many: what was found, and how good that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from lab.evaluation.evaluate import Evaluation, evaluate
from lab.evaluation.figures import Figures
from lab.evaluation.truth import Truth
from lab.rules.rule import Rule
from lab.runs.run import Run


@dataclass(frozen=True, eq=False)
class Glance:
    """A rule on its run, against what is annotated now.

    sightings: how many it finds. strongest_us: the peak of the strongest; None if there is none.
    figures: of all its labels together; None if none of them was marked or watched.
    watched: the share of the clip that was watched for them, in [0, 1].
    is_damaged: parts of the run's log are missing.
    problem: why there is nothing of all this; None if there is.
    """

    sightings: int = 0
    strongest_us: int | None = None
    figures: Figures | None = None
    watched: float = 0.0
    is_damaged: bool = False
    problem: str | None = None


def glance(run: Run, rule: Mapping[str, Any] | None, truth: Truth) -> Glance:
    """rule: as an entry keeps it; None for the run's default. Raises nothing that is a LabError."""
    try:
        return _glance(run, run.default_rule if rule is None else Rule.from_dict(rule), truth)
    except LabError as error:
        return Glance(problem=str(error))


def _glance(run: Run, rule: Rule, truth: Truth) -> Glance:
    found = run.find(rule)
    strongest = max(found, key=lambda s: s.peak_confidence, default=None)
    known = truth.by_media.get(run.media["media_id"], {})
    labels = [label for label in rule.wanted(run.labels) if label in known]
    evaluation = evaluate(run, truth, rule, labels=labels) if labels else None
    return Glance(
        sightings=len(found),
        strongest_us=None if strongest is None else strongest.peak_us,
        figures=None if evaluation is None else evaluation.overall,
        watched=0.0 if evaluation is None else watched_share(evaluation, [run.media]),
        is_damaged=run.damage is not None,
    )


def watched_share(found: Evaluation, media: Sequence[Mapping[str, Any]]) -> float:
    """How much of what could be watched was: of these clips, for each of the labels."""
    clips_us = sum(one["end_us"] - one["first_pts_us"] for one in media)
    watched_us = sum(figures.counts.covered_us for figures in found.labels.values())
    most_us = clips_us * len(found.labels)
    return min(1.0, watched_us / most_us) if most_us > 0 else 0.0
