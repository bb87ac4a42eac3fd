"""The best rule under a stated goal, and what may be expected of it on footage not seen.

Choosing happens inside the folds of a cross-validation that holds out whole sites where there are
several, else whole nights, else whole clips (Roberts et al., Ecography 40 (2017) 913). The figures
to report are the held-out ones. Their intervals resample sites (nights, clips), not sightings: the
percentile bootstrap, expanded for few groups (Hesterberg, The American Statistician 69 (2015) 371).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lab.errors import SettingError
from lab.rule import Rule
from lab.tuning.folds import Folds, make_folds
from lab.tuning.front import figures_of
from lab.tuning.resampling import grouped_figures, paired_gain
from lab.tuning.rule_grid import SETTINGS
from lab.tuning.sweep import Sweep

_FITTED = ("tp", "fp", "fn", "precision", "recall", "f1", "false_per_hour")
_FEW_ANNOTATIONS, _FEW_GROUPS = 10, 4


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a good rule is.

    kind: `f1`, the highest; `recall`, at least `least_recall` with the fewest false sightings;
    `false`, at most `most_false_per_hour` with the highest recall. Raises SettingError for
    values out of range.
    """

    kind: Literal["f1", "recall", "false"] = "f1"
    least_recall: float = 0.95
    most_false_per_hour: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in ("f1", "recall", "false"):
            raise SettingError(f"a goal is f1, recall or false, got {self.kind!r}")
        if not 0 < self.least_recall <= 1:
            raise SettingError(f"least_recall must be in (0, 1], got {self.least_recall}")
        if not 0 <= self.most_false_per_hour < float("inf"):
            raise SettingError(
                f"most_false_per_hour must be 0 or more, got {self.most_false_per_hour}"
            )

    def text(self) -> str:
        return {
            "f1": "highest F1",
            "recall": f"recall of at least {self.least_recall:g} with the fewest false sightings",
            "false": f"at most {self.most_false_per_hour:g} false sightings an hour with the highest recall",
        }[self.kind]


@dataclass(frozen=True)
class Choice:
    """A rule of a sweep. met: whether the goal is reached on the footage it was chosen on.

    enter_threshold: in the middle of those that do as well, between scores that occur if they leave
    room; it counts what the grid's threshold counts.
    """

    position: int
    met: bool
    enter_threshold: float | None = None


def choose(sweep: Sweep, goal: Goal, clips: np.ndarray | None = None) -> Choice:
    """The rule that serves the goal best over some clips (bool mask; all, unless given).

    Among equals the one whose neighbours in the grid do best: the middle of a plateau holds
    better on other footage than its rim.
    """
    if clips is None:
        return _centred(sweep, *choose_of(sweep.totals, sweep.hours, goal, sweep.grid.shape))
    hours = float(sweep.covered_us[clips].sum() / 3.6e9)
    if clips.mean() > 0.5:  # fewer to take away than to add up
        totals = sweep.totals - sweep.counts[~clips].sum(axis=0, dtype=np.int64)
    else:
        totals = sweep.counts[clips].sum(axis=0, dtype=np.int64)
    return _centred(sweep, *choose_of(totals, hours, goal, sweep.grid.shape))


def _centred(sweep: Sweep, position: int, met: bool, best: np.ndarray) -> Choice:
    """Move along the thresholds to the middle of the plateau, in units of the score.

    A gap between scores that occur has no threshold of the grid in it, however wide it is; any
    threshold in it counts the same, and its middle is farthest from both sides.
    """
    if not len(sweep.below) or sweep.settings["exit_share"][position] != 1:
        return Choice(position, met)
    axis = SETTINGS.index("enter_threshold")
    at = list(np.unravel_index(position, sweep.grid.shape))
    line = [
        int(np.ravel_multi_index((*at[:axis], k, *at[axis + 1 :]), sweep.grid.shape))
        for k in range(sweep.grid.shape[axis])
    ]
    first = last = int(at[axis])
    while first > 0 and best[line[first - 1]]:
        first -= 1
    while last + 1 < len(line) and best[line[last + 1]]:
        last += 1
    highs = np.asarray(sweep.grid.enter_threshold, np.float64)
    middle = (sweep.below[first] + highs[last]) / 2
    # The step of the grid that the middle lies in, or the nearest one, and a threshold within it.
    k = first + int(
        np.argmin(
            [max(0.0, sweep.below[i] - middle, middle - highs[i]) for i in range(first, last + 1)]
        )
    )
    threshold = float(np.clip(np.floor(middle * 1e4) / 1e4, sweep.below[k] + 1e-6, highs[k]))
    return Choice(line[k], met, max(threshold, sweep.floor))


def choose_of(
    totals: np.ndarray, hours: float, goal: Goal, shape: tuple[int, ...]
) -> tuple[int, bool, np.ndarray]:
    """The same from counts (n, 3) in the order of a grid of this shape.

    Returns the position, whether the goal is met, and bool (n,): those that do as well.
    """
    f = {name: np.nan_to_num(v, nan=0.0) for name, v in figures_of(totals, hours).items()}
    if goal.kind == "f1":
        keys, met = [f["f1"]], True
    elif goal.kind == "recall":
        fit = f["recall"] >= goal.least_recall
        met = bool(fit.any())
        keys = (
            [np.where(fit, -f["false_per_hour"], -np.inf), f["f1"]]
            if met
            else [f["recall"], f["f1"]]
        )
    else:
        fit = f["false_per_hour"] <= goal.most_false_per_hour
        met = bool(fit.any())
        keys = (
            [np.where(fit, f["recall"], -np.inf), f["f1"]]
            if met
            else [-f["false_per_hour"], f["f1"]]
        )
    best = np.ones(len(totals), bool)
    for key in keys:
        best &= key == key[best].max()
    return middle_of(best.reshape(shape)), met, best


def middle_of(best: np.ndarray) -> int:
    """The position deepest inside a plateau of the grid, in its middle if there are several."""
    from scipy.ndimage import distance_transform_cdt

    around = [(1, 1) if n >= 3 else (0, 0) for n in best.shape]
    if all(pad == (0, 0) for pad in around):
        depth = best.astype(np.int64)
    else:
        inside = tuple(slice(pad[0], pad[0] + n) for pad, n in zip(around, best.shape, strict=True))
        depth = distance_transform_cdt(np.pad(best, around), metric="chessboard")[inside]
    top = np.argwhere((depth == depth[best].max()) & best)
    off = (((top - top.mean(axis=0)) / np.array(best.shape)) ** 2).sum(axis=1)
    return int(np.ravel_multi_index(tuple(top[int(off.argmin())]), best.shape))


@dataclass(frozen=True, eq=False)
class Recommendation:
    """A rule, and what to expect of it.

    rule: chosen on all footage. fitted: its figures on that footage, which flatter it.
    held_out: figures on clips that the choice had not seen, with intervals; None of one group.
    chosen: the rule of each fold. sites: thresholds of their own that pay. notes: honest lines.
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
    """The best rule of a sweep under a goal, with held-out figures."""
    goal = Goal(kind=goal) if isinstance(goal, str) else goal  # type: ignore[arg-type]
    folds = make_folds(sweep, seed)
    best = choose(sweep, goal)
    held, chosen = held_out_counts(sweep, goal, folds)
    per_group = np.stack([held[folds.group == g].sum(axis=0) for g in range(len(folds.names))])
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
    held = np.zeros((len(sweep.names), 3), np.int64)
    chosen = []
    for k in np.unique(folds.fold).tolist():
        out = folds.fold == k
        position = (
            choose(sweep, goal, ~out).position if not out.all() else choose(sweep, goal).position
        )
        held[out] = sweep.counts[out, position]
        chosen.append(position)
    return held, chosen


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
                {"site": name, "rule": sweep.rule(best.position, best.enter_threshold).to_dict(), "f1_gain": gain,
                 "f1_gain_interval": list(interval), "clips": len(clips)}
            )  # fmt: skip
    return out


def _notes(sweep: Sweep, goal: Goal, best: Choice, folds: Folds) -> Sequence[str]:
    notes = list(sweep.notes)
    row = sweep.row(best.position)
    annotations, groups = row["tp"] + row["fn"], len(folds.names)
    word = {"site": "sites", "night": "nights", "clip": "clips"}[folds.by]
    if not best.met:
        notes.append(f"no rule of the grid reaches the goal ({goal.text()}); the nearest is given")
    if groups == 1:
        notes.append(
            f"all footage is of one {folds.by}: nothing can be held out, so the figures are those "
            "of the footage the rule was chosen on, and flatter it; annotate another clip"
        )
    elif groups < _FEW_GROUPS:
        notes.append(f"only {groups} {word} to hold out: too little to trust the held-out figures")
    if annotations < _FEW_ANNOTATIONS:
        notes.append(
            f"only {annotations} annotation{'' if annotations == 1 else 's'}: too little material; "
            "one more or less would move every figure"
        )
    return notes
