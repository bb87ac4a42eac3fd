"""Which rule is best: a goal, and the choice among measured rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from lab.errors import SettingError
from lab.evaluation.rates import rates_of
from lab.tuning.rule_grid import SETTINGS, RuleGrid


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
    @property
    def below(self) -> np.ndarray: ...
    @property
    def floor(self) -> float: ...


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
    """A rule of a sweep. met: whether the goal is reached on the footage it was chosen on.

    enter_threshold: the middle of the thresholds that do as well, between scores that occur where
    there is room; its counts are those of the grid's threshold.
    """

    position: int
    met: bool
    enter_threshold: float | None = None


def choose(sweep: MeasuredRules, goal: Goal, clips: np.ndarray | None = None) -> Choice:
    """The rule that serves the goal best over some clips (bool mask; all, unless given).

    Among equals it is the one whose neighbours in the grid do best: the middle of a plateau
    carries over to other footage better than its rim.
    """
    if clips is None:
        return _centred(sweep, *choose_of(sweep.totals, sweep.hours, goal, sweep.grid.shape))
    hours = float(sweep.covered_us[clips].sum() / 3.6e9)
    if clips.mean() > 0.5:  # fewer to take away than to add up
        totals = sweep.totals - sweep.counts[~clips].sum(axis=0, dtype=np.int64)
    else:
        totals = sweep.counts[clips].sum(axis=0, dtype=np.int64)
    return _centred(sweep, *choose_of(totals, hours, goal, sweep.grid.shape))


def _centred(sweep: MeasuredRules, position: int, met: bool, best: np.ndarray) -> Choice:
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
    f = {name: np.nan_to_num(v, nan=0.0) for name, v in rates_of(totals, hours).items()}
    if goal.kind == "f1":
        keys, met = [f["f1"]], True
    elif goal.kind == "recall":
        reaches = f["recall"] >= goal.least_recall
        met = bool(reaches.any())
        keys = (
            [np.where(reaches, -f["false_per_hour"], -np.inf), f["f1"]]
            if met
            else [f["recall"], f["f1"]]
        )
    else:
        reaches = f["false_per_hour"] <= goal.most_false_per_hour
        met = bool(reaches.any())
        keys = (
            [np.where(reaches, f["recall"], -np.inf), f["f1"]]
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
