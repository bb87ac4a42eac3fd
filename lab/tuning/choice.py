"""Which rule is best: a goal, and the choice among measured rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from lab.errors import SettingError
from lab.evaluation.rates import rates_of
from lab.tuning.rule_grid import RuleGrid


class MeasuredRules(Protocol):
    """What a choice needs to know of rules that were counted; `lab.tuning.sweep.Sweep` is one."""

    @property
    def grid(self) -> RuleGrid: ...
    @property
    def settings(self) -> Mapping[str, np.ndarray]: ...
    @property
    def counts(self) -> np.ndarray: ...
    @property
    def totals(self) -> np.ndarray: ...
    @property
    def covered_us(self) -> np.ndarray: ...
    @property
    def hours(self) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a good rule is.

    kind is one of:
        `f1`: the highest F1.
        `recall`: a recall of at least `least_recall`, with the fewest false sightings.
        `false`: at most `most_false_per_hour` false sightings, with the highest recall.

    Raises SettingError for values out of range.
    """

    kind: Literal["f1", "recall", "false"] = "f1"
    least_recall: float = 0.95
    most_false_per_hour: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in ("f1", "recall", "false"):
            raise SettingError(f"a goal must be f1, recall or false, got {self.kind!r}")
        if not 0 < self.least_recall <= 1:
            raise SettingError(f"least_recall must be in (0, 1], got {self.least_recall}")
        if not 0 <= self.most_false_per_hour < float("inf"):
            raise SettingError(
                f"most_false_per_hour must be 0 or more, got {self.most_false_per_hour}"
            )

    def text(self) -> str:
        if self.kind == "recall":
            return f"recall of at least {self.least_recall:g} with the fewest false sightings"
        if self.kind == "false":
            rate = f"{self.most_false_per_hour:g} false sightings an hour"
            return f"at most {rate} with the highest recall"
        return "highest F1"


@dataclass(frozen=True)
class Choice:
    """A rule of a sweep. met: whether the goal is reached on the footage it was chosen on."""

    position: int
    met: bool


def choose(sweep: MeasuredRules, goal: Goal, clips: np.ndarray | None = None) -> Choice:
    """The rule of the grid that serves the goal best over some clips (bool mask; all by default).

    Among equals it is the one whose neighbours in the grid do best: the middle of a plateau
    carries over to other footage better than its rim.
    """
    if clips is None:
        totals, hours = sweep.totals, sweep.hours
    else:
        hours = float(sweep.covered_us[clips].sum() / 3.6e9)
        if clips.mean() > 0.5:  # fewer to take away than to add up
            totals = sweep.totals - sweep.counts[~clips].sum(axis=0, dtype=np.int64)
        else:
            totals = sweep.counts[clips].sum(axis=0, dtype=np.int64)
    best, met = best_of(totals, hours, goal)
    return Choice(middle_of(best.reshape(sweep.grid.shape)), met)


def best_of(totals: np.ndarray, hours: float, goal: Goal) -> tuple[np.ndarray, bool]:
    """Which of some counts (n, 3) serve a goal best: bool (n,), and whether they reach it."""
    f = {name: np.nan_to_num(v, nan=0.0) for name, v in rates_of(totals, hours).items()}
    met = True
    if goal.kind == "f1":
        keys = [f["f1"]]
    else:
        reaches = reaching(totals, hours, goal)
        met = bool(reaches.any())
        wanted, other = f["recall"], -f["false_per_hour"]
        if goal.kind == "recall":
            wanted, other = other, wanted
        keys = [np.where(reaches, wanted, -np.inf) if met else other, f["f1"]]
    best = np.ones(len(totals), bool)
    for key in keys:
        best &= key == key[best].max()
    return best, met


def reaching(totals: np.ndarray, hours: float, goal: Goal) -> np.ndarray:
    """Which of some counts (n, 3) keep what the goal asks for: bool (n,). F1 asks for nothing."""
    f = {name: np.nan_to_num(v, nan=0.0) for name, v in rates_of(totals, hours).items()}
    if goal.kind == "recall":
        return np.asarray(f["recall"] >= goal.least_recall)
    if goal.kind == "false":
        return np.asarray(f["false_per_hour"] <= goal.most_false_per_hour)
    return np.ones(len(totals), bool)


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
