"""The best rule under a stated goal, and what to expect of it on other footage.

Choosing happens inside the folds of a cross-validation that holds out whole sites where there are
several, else whole nights, else whole clips (Roberts et al., Ecography 40 (2017) 913). The figures
to report are the held-out ones. Their intervals resample sites (nights, clips), not sightings: the
percentile bootstrap, expanded for few groups (Hesterberg, The American Statistician 69 (2015) 371).
The rule in use is kept unless what was found is better by the same measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.counted import counted
from lab.evaluation.rates import rates_of, refused_rates
from lab.evaluation.resampling import grouped_figures, paired_gain
from lab.rules.rule import Rule
from lab.tuning.choice import Goal, choose, reaching
from lab.tuning.curve import Curve
from lab.tuning.folds import Folds, make_folds
from lab.tuning.in_use import (
    NAMES,
    Difference,
    counts_by_event,
    counts_in_use,
    difference,
    is_needed,
    serves_better,
)
from lab.tuning.plateau import Plateau, plateau_around
from lab.tuning.search import Found, Search
from lab.tuning.steps import ThresholdSteps, threshold_steps
from lab.tuning.sweep import Sweep

_FEW_ANNOTATIONS, _FEW_GROUPS = 10, 4


@dataclass(frozen=True, eq=False)
class Advised:
    """A rule, with its figures on all footage.

    plateau: the enter thresholds around its own that do as well, its other settings kept. curve:
    its counts at every threshold. Both are None where they cannot be known.
    """

    rule: Rule
    fitted: dict[str, Any]
    plateau: Plateau | None
    curve: Curve | None = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule.to_dict(),
            "rule_hash": self.rule.rule_hash,
            "fitted": self.fitted,
            "plateau": None if self.plateau is None else self.plateau.to_dict(),
        }


@dataclass(frozen=True, eq=False)
class Recommendation:
    """A rule, and what to expect of it.

    found: the best rule of the search, chosen on all footage; its figures there are optimistic.
    in_use: the rule in use; None where it cannot be counted. is_kept: whether the advice is to keep
        that one, as nothing that was found is better. difference: what was found against it.
    verdict: the advice in a sentence.
    met: whether the goal is reached on all footage by the rule that is advised.
    held_out: figures of the search on clips that were left out of it, with intervals; None if there
        is only one group.
    chosen: the position in the grid of the rule that each fold chose.
    sites: sites for which a threshold of their own does better.
    notes: what a reader must know before using the figures.
    """

    label: str
    goal: Goal
    found: Advised
    in_use: Advised | None
    is_kept: bool
    difference: Difference | None
    verdict: str
    position: int
    met: bool
    held_out: dict[str, Any] | None
    folds: Folds
    chosen: tuple[int, ...]
    sites: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    counts: np.ndarray = field(repr=False)

    @property
    def advised(self) -> Advised:
        """The rule in use where it is kept, else the one that was found."""
        return self.in_use if self.is_kept and self.in_use is not None else self.found

    @property
    def rule(self) -> Rule:
        """The advised one."""
        return self.advised.rule

    @property
    def fitted(self) -> dict[str, Any]:
        """Figures of the advised rule on all footage."""
        return self.advised.fitted

    @property
    def plateau(self) -> Plateau | None:
        """Of the advised rule."""
        return self.advised.plateau

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "goal": self.goal.text(),
            "met": self.met,
            "verdict": self.verdict,
            "kept": self.is_kept,
            **self.advised.to_dict(),
            "found": self.found.to_dict(),
            "in_use": None if self.in_use is None else self.in_use.to_dict(),
            "difference": None if self.difference is None else self.difference.to_dict(),
            "held_out": self.held_out,
            "held_out_by": self.folds.by,
            "groups": len(self.folds.names),
            "seed": self.folds.seed,
            "sites": list(self.sites),
            "notes": list(self.notes),
        }


def recommend(sweep: Sweep, goal: Goal | str = "f1", *, seed: int = 0) -> Recommendation:
    """The best rule of a sweep under a goal, with held-out figures.

    It is the rule in use (`sweep.base`) where nothing that is found is better. The settings are
    those of the grid; the threshold is then searched at every score that occurs.
    A sweep that was loaded needs its footage for that (`Sweep.over`).

    Raises SettingError for a goal that is not f1, recall or false.
    """
    goal = Goal(kind=goal) if isinstance(goal, str) else goal  # type: ignore[arg-type]
    folds = make_folds(sweep.names, sweep.sites, sweep.nights, seed)
    search = Search(sweep, goal)
    best = search.best()
    held_out, chosen = _held_out(search, folds)
    per_group, hours = _by_group(held_out, folds), _hours(sweep, folds)
    found = Advised(best.rule, _fitted(sweep, best.counts), best.plateau, _curve(best.steps, sweep))
    used = _used(sweep, search)
    in_use, against = None, None
    if used is not None:
        in_use, counts = used
        against = _difference(sweep, goal, folds, best, counts, held_out, seed)
    is_kept = in_use is not None and not _is_better(sweep, goal, in_use, found, against)
    advised = in_use if is_kept and in_use is not None else found
    met = bool(reaching(_totals(advised)[None], sweep.hours, goal)[0])
    return Recommendation(
        label=sweep.label,
        goal=goal,
        found=found,
        in_use=in_use,
        is_kept=is_kept,
        difference=against,
        verdict=_verdict(sweep, goal, in_use, found, against, is_kept),
        position=best.position,
        met=met,
        held_out=grouped_figures(per_group, hours, seed) if len(folds.names) > 1 else None,
        folds=folds,
        chosen=tuple(chosen),
        sites=tuple(_own_thresholds(search, folds, seed)),
        notes=tuple(_notes(sweep, goal, best, advised, folds)),
        counts=per_group,
    )


def held_out_counts(sweep: Sweep, goal: Goal, folds: Folds) -> tuple[np.ndarray, list[int]]:
    """For each clip the counts of the rule that was chosen without its group: int64 (clips, 3)."""
    return _held_out(Search(sweep, goal), folds)


def _held_out(search: Search, folds: Folds) -> tuple[np.ndarray, list[int]]:
    counts = np.zeros((len(search.sweep.names), 3), np.int64)
    chosen = []
    for k in np.unique(folds.fold).tolist():
        out = folds.fold == k
        found = search.best(None if out.all() else ~out)
        counts[out] = found.counts[out]
        chosen.append(found.position)
    return counts, chosen


def _by_group(counts: np.ndarray, folds: Folds) -> np.ndarray:
    return np.stack([counts[folds.group == g].sum(axis=0) for g in range(len(folds.names))])


def _hours(sweep: Sweep, folds: Folds) -> np.ndarray:
    groups = range(len(folds.names))
    return np.array([sweep.covered_us[folds.group == g].sum() / 3.6e9 for g in groups])


def _fitted(sweep: Sweep, counts: np.ndarray) -> dict[str, Any]:
    """Counts and figures over all clips, as JSON values. counts: int64 (clips, 3)."""
    totals = counts.sum(axis=0, dtype=np.int64)
    tp, fp, fn = (int(v) for v in totals)
    figures = {k: float(v) for k, v in rates_of(totals, sweep.hours).items()}
    return {
        "tp": tp, "fp": fp, "fn": fn,
        **{k: None if np.isnan(v) else v for k, v in figures.items()},
        "refused": refused_rates(tp, fp, fn, sweep.hours),
    }  # fmt: skip


def _totals(advised: Advised) -> np.ndarray:
    return np.array([advised.fitted[k] for k in ("tp", "fp", "fn")], np.int64)


def _curve(steps: ThresholdSteps | None, sweep: Sweep) -> Curve | None:
    """At every threshold where the counts change, and at the floor."""
    if steps is None:
        return None
    totals = steps.totals()
    thresholds = np.append(steps.values, steps.floor)
    return Curve(thresholds, np.concatenate([totals[1:], totals[-1:]]), sweep.hours)


def _used(sweep: Sweep, search: Search) -> tuple[Advised, np.ndarray] | None:
    """The rule in use, and its counts in each clip."""
    if not sweep.footage:
        return None
    counts = counts_in_use(sweep.footage, sweep.base, sweep.floor, sweep.matching)
    if counts is None:
        return None
    steps = threshold_steps(sweep.footage, sweep.base, sweep.floor, sweep.matching)
    plateau = None
    if steps is not None:
        own = sweep.base.debounce.enter_threshold
        plateau = plateau_around(steps, own, search.scale)
    rule = Rule(default=sweep.base, only=(sweep.label,))
    return Advised(rule, _fitted(sweep, counts), plateau, _curve(steps, sweep)), counts


def _difference(
    sweep: Sweep,
    goal: Goal,
    folds: Folds,
    best: Found,
    in_use: np.ndarray,
    held_out: np.ndarray,
    seed: int,
) -> Difference:
    """What was found against the rule in use, by held-out group; in one clip by event."""
    if len(folds.names) > 1:
        one, other = _by_group(held_out, folds), _by_group(in_use.astype(np.int64), folds)
        return difference(goal, other, one, _hours(sweep, folds), folds.by, seed, True)
    pairs = [
        counts_by_event(f, sweep.base, best.rule.default, sweep.matching) for f in sweep.footage
    ]
    used, found = (np.concatenate(side) for side in zip(*pairs, strict=True))
    if len(used) < 2:  # nothing to resample
        used, found = (counts.sum(axis=0)[None] for counts in (in_use, best.counts))
    share = np.full(len(used), sweep.hours / len(used))
    return difference(goal, used, found, share, "event", seed, False)


def _is_better(
    sweep: Sweep, goal: Goal, in_use: Advised, found: Advised, against: Difference | None
) -> bool:
    """Whether what was found is to be preferred to the rule in use."""
    used, other = _totals(in_use), _totals(found)
    if not serves_better(goal, used, other, sweep.hours):
        return False
    return is_needed(goal, used, other, sweep.hours) or against is None or against.is_better


def _verdict(
    sweep: Sweep,
    goal: Goal,
    in_use: Advised | None,
    found: Advised,
    against: Difference | None,
    is_kept: bool,
) -> str:
    if in_use is None:
        return "the best rule of the search; there is no rule in use to compare it with"
    used, other = _totals(in_use), _totals(found)
    if is_kept and not serves_better(goal, used, other, sweep.hours):
        return "nothing here is better than your rule: no rule of the search does better"
    assert against is not None
    if is_kept:
        return (
            "nothing here is better than your rule: what the search found cannot be told apart "
            f"from it ({against.text()})"
        )
    if is_needed(goal, used, other, sweep.hours):
        return f"better than your rule, which does not reach the goal ({goal.text()}) here"
    if against.interval is None:
        return (
            f"better than your rule here ({NAMES[against.figure]} {against.value:+.3f}), but there "
            "is too little footage to tell whether by chance"
        )
    return f"better than your rule: {against.text()}"


def _own_thresholds(search: Search, folds: Folds, seed: int) -> list[dict[str, Any]]:
    """Sites for which a rule chosen on their own clips beats the common one on a clip held out.

    Each clip of the site is held out in turn, from both choices, which are rules of the grid.
    """
    sweep, goal = search.sweep, search.goal
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
            out.append(
                {
                    "site": name,
                    "rule": search.best(here).rule.to_dict(),
                    "f1_gain": gain,
                    "f1_gain_interval": list(interval),
                    "clips": len(clips),
                }
            )
    return out


def _notes(sweep: Sweep, goal: Goal, best: Found, advised: Advised, folds: Folds) -> Sequence[str]:
    notes = list(sweep.notes)
    row = advised.fitted
    if not sweep.footage:
        notes.append(
            "the sweep was loaded without its footage: the threshold is one of the grid's, and the "
            "rule in use is not compared; give the footage with Sweep.over"
        )
    edge = _at_the_rim(advised)
    if edge is not None:
        notes.append(edge)
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
            f"only {counted(annotations, 'annotation')}: too few, "
            "as one more or less would change every figure"
        )
    return notes


def _at_the_rim(advised: Advised) -> str | None:
    """A warning where a threshold lies in the outer tenth of those that count the same."""
    plateau, own = advised.plateau, advised.rule.default.debounce.enter_threshold
    if plateau is None:
        return None
    width = plateau.up_to - plateau.above
    if width < 0.05 or min(own - plateau.above, plateau.up_to - own) > width / 10:
        return None
    return (
        f"the threshold of {own:.2f} lies at the rim: the counts are {plateau.text()}, and the "
        f"middle, {plateau.middle:g}, is farthest from both ends"
    )
