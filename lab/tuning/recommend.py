"""The best rule under a stated goal, and what to expect of it on other footage.

Choosing happens inside the folds of a cross-validation that holds out whole sites where there are
several, else whole nights, else whole clips (Roberts et al., Ecography 40 (2017) 913). The figures
to report are the held-out ones. Their intervals resample sites (nights, clips), not sightings: the
percentile bootstrap, expanded for few groups (Hesterberg, The American Statistician 69 (2015) 371).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.evaluation.resampling import grouped_figures, paired_gain
from lab.rules.rule import Rule
from lab.tuning.choice import Choice, Goal, choose
from lab.tuning.folds import Folds, make_folds
from lab.tuning.sweep import Sweep

_FITTED = ("tp", "fp", "fn", "precision", "recall", "f1", "false_per_hour", "refused")
_FEW_ANNOTATIONS, _FEW_GROUPS = 10, 4


@dataclass(frozen=True, eq=False)
class Recommendation:
    """A rule, and what to expect of it.

    rule: chosen on all footage.
    fitted: its figures on that footage, which are optimistic.
    held_out: figures on clips that were left out of the choice, with intervals; None if there is
        only one group.
    chosen: the position of the rule that each fold chose.
    sites: sites for which a threshold of their own does better.
    notes: what a reader must know before using the figures.
    """

    label: str
    goal: Goal
    rule: Rule
    position: int
    met: bool
    fitted: dict[str, Any]
    held_out: dict[str, Any] | None
    folds: Folds
    chosen: tuple[int, ...]
    sites: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    counts: np.ndarray = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "goal": self.goal.text(),
            "met": self.met,
            "rule": self.rule.to_dict(),
            "rule_hash": self.rule.rule_hash,
            "fitted": self.fitted,
            "held_out": self.held_out,
            "held_out_by": self.folds.by,
            "groups": len(self.folds.names),
            "seed": self.folds.seed,
            "sites": list(self.sites),
            "notes": list(self.notes),
        }


def recommend(sweep: Sweep, goal: Goal | str = "f1", *, seed: int = 0) -> Recommendation:
    """The best rule of a sweep under a goal, with held-out figures.

    Raises SettingError for a goal that is not f1, recall or false.
    """
    goal = Goal(kind=goal) if isinstance(goal, str) else goal  # type: ignore[arg-type]
    folds = make_folds(sweep.names, sweep.sites, sweep.nights, seed)
    best = choose(sweep, goal)
    held_out, chosen = held_out_counts(sweep, goal, folds)
    per_group = np.stack([held_out[folds.group == g].sum(axis=0) for g in range(len(folds.names))])
    hours = np.array(
        [sweep.covered_us[folds.group == g].sum() / 3.6e9 for g in range(len(folds.names))]
    )
    several = len(folds.names) > 1
    return Recommendation(
        label=sweep.label,
        goal=goal,
        rule=sweep.rule(best.position, best.enter_threshold),
        position=best.position,
        met=best.met,
        fitted={k: v for k, v in sweep.row(best.position).items() if k in _FITTED},
        held_out=grouped_figures(per_group, hours, seed) if several else None,
        folds=folds,
        chosen=tuple(chosen),
        sites=tuple(_own_thresholds(sweep, goal, folds, seed)),
        notes=tuple(_notes(sweep, goal, best, folds)),
        counts=per_group,
    )


def held_out_counts(sweep: Sweep, goal: Goal, folds: Folds) -> tuple[np.ndarray, list[int]]:
    """For each clip the counts of the rule that was chosen without its group: int64 (clips, 3)."""
    counts = np.zeros((len(sweep.names), 3), np.int64)
    chosen = []
    for k in np.unique(folds.fold).tolist():
        out = folds.fold == k
        position = (
            choose(sweep, goal, ~out).position if not out.all() else choose(sweep, goal).position
        )
        counts[out] = sweep.counts[out, position]
        chosen.append(position)
    return counts, chosen


def _own_thresholds(sweep: Sweep, goal: Goal, folds: Folds, seed: int) -> list[dict[str, Any]]:
    """Sites for which a rule chosen on their own clips beats the common one on a clip held out.

    Each clip of the site is held out in turn, from both choices.
    """
    if folds.by != "site":
        return []
    out = []
    for name in sorted({s for s in sweep.sites if s is not None}):
        here = np.array([s == name for s in sweep.sites])
        clips = np.flatnonzero(here)
        if len(clips) < 4 or sweep.counts[clips].max(initial=0) == 0:
            continue
        others = [np.arange(len(here)) != c for c in clips.tolist()]
        own = [choose(sweep, goal, here & rest).position for rest in others]
        common = [choose(sweep, goal, rest).position for rest in others]
        gain, interval = paired_gain(
            sweep.counts[clips, own].astype(np.int64),
            sweep.counts[clips, common].astype(np.int64),
            seed,
        )
        if interval[0] > 0:
            best = choose(sweep, goal, here)
            out.append(
                {
                    "site": name,
                    "rule": sweep.rule(best.position, best.enter_threshold).to_dict(),
                    "f1_gain": gain,
                    "f1_gain_interval": list(interval),
                    "clips": len(clips),
                }
            )
    return out


def _notes(sweep: Sweep, goal: Goal, best: Choice, folds: Folds) -> Sequence[str]:
    notes = list(sweep.notes)
    row = sweep.row(best.position)
    annotations, groups = row["tp"] + row["fn"], len(folds.names)
    word = {"site": "sites", "night": "nights", "clip": "clips"}[folds.by]
    if not best.met:
        notes.append(f"no rule of the grid reaches the goal ({goal.text()}); the closest is given")
    if groups == 1:
        notes.append(
            f"all footage is of one {folds.by}: nothing can be held out, so the figures are those "
            "of the footage that the rule was chosen on, and optimistic; annotate another clip"
        )
    elif groups < _FEW_GROUPS:
        notes.append(f"only {groups} {word} to hold out: too few to trust the held-out figures")
    if annotations < _FEW_ANNOTATIONS:
        notes.append(
            f"only {annotations} annotation{'' if annotations == 1 else 's'}: too few, "
            "as one more or less would change every figure"
        )
    return notes
