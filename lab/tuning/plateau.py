"""Where along the thresholds a rule does best, and the middle of that.

Thresholds that do equally well on the footage need not do so on other footage: the one that is
farthest from both rims carries over best. Far is measured in logits of the score, for scores crowd
at their ends; or in the probability that the label is there, where a calibration gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.errors import SettingError
from lab.score_log.spans import true_runs
from lab.tuning.calibration import calibrate
from lab.tuning.choice import Goal, best_of
from lab.tuning.footage import Footage
from lab.tuning.steps import ThresholdSteps

_EDGE = 1e-4


@dataclass(frozen=True)
class Scale:
    """What distances between thresholds are measured in.

    intercept, slope: of the probability's logit over the score's logit; None for logits of the
    score itself.
    """

    intercept: float | None = None
    slope: float = 1.0

    @property
    def unit(self) -> str:
        return "logits of the score" if self.intercept is None else "calibrated probability"

    def of(self, scores: np.ndarray | np.float64) -> np.ndarray:
        """float64, shape of scores; rises with them."""
        x = _logit(scores)
        return x if self.intercept is None else _share(self.intercept + self.slope * x)

    def score(self, value: float) -> float:
        """The score at a place on the scale."""
        if self.intercept is None:
            return float(_share(np.float64(value)))
        return float(_share((_logit(np.float64(value)) - self.intercept) / self.slope))


def _logit(values: np.ndarray | np.float64) -> np.ndarray:
    p = np.clip(np.asarray(values, np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(p / (1 - p)))


def _share(x: np.ndarray | np.float64) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.asarray(x, np.float64))))


def scale_of(footage: Sequence[Footage], label: str) -> Scale:
    """Calibrated probability where the footage gives a calibration to trust, else logits."""
    try:
        made = calibrate(footage, label)
    except SettingError:
        return Scale()
    return Scale() if made.warning else Scale(made.intercept, made.slope)


@dataclass(frozen=True)
class Plateau:
    """Enter thresholds side by side that do equally well on the footage.

    above: they lie above this score, or, where `reaches_floor`, at it and above; the log cannot
    tell whether the plateau goes on below. up_to: the highest of them. middle: the one that is
    farthest from both ends, in few digits. unit: what that is measured in.
    """

    above: float
    up_to: float
    middle: float
    reaches_floor: bool
    unit: str

    def text(self) -> str:
        start = f"{self.above:.2f}{', the score floor,' if self.reaches_floor else ''}"
        return f"the same from {start} to {self.up_to:.2f}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "from": self.above,
            "to": self.up_to,
            "middle": self.middle,
            "reaches_floor": self.reaches_floor,
            "unit": self.unit,
        }


def best_plateau(
    steps: ThresholdSteps, goal: Goal, clips: np.ndarray | None = None, scale: Scale | None = None
) -> tuple[Plateau, bool]:
    """The widest stretch of thresholds that serve the goal best, and whether they reach it.

    clips: bool mask; all, unless given. A plateau with a hole is two.
    """
    totals = steps.totals(clips)
    first = min(1, len(steps.values))  # above every score nothing is found, which is no rule
    best, met = best_of(totals[first:], steps.hours(clips), goal)
    return _widest(steps, np.insert(best, 0, [False] * first), scale or Scale()), met


def plateau_around(
    steps: ThresholdSteps, threshold: float, scale: Scale | None = None
) -> Plateau | None:
    """The thresholds around this one that count the same; None below the floor."""
    if threshold < steps.floor:
        return None
    totals = steps.totals()
    own = int((steps.values >= threshold).sum())
    same = (totals == totals[own]).all(axis=1)
    first, last = next(piece for piece in true_runs(same) if piece[0] <= own <= piece[1])
    return _made(steps, first, last, scale or Scale())


def _widest(steps: ThresholdSteps, best: np.ndarray, scale: Scale) -> Plateau:
    above, up_to = steps.limits()
    low, high = scale.of(above), scale.of(up_to)
    pieces = true_runs(best)
    widths = [high[first] - low[last] for first, last in pieces]
    return _made(steps, *pieces[int(np.argmax(widths))], scale)


def _made(steps: ThresholdSteps, first: int, last: int, scale: Scale) -> Plateau:
    """Of stretches first to last, which fall."""
    limits = steps.limits()
    above, up_to = float(limits[0][last]), float(limits[1][first])
    reaches_floor = last == len(steps.values)
    return Plateau(above, up_to, _middle(above, up_to, scale), reaches_floor, scale.unit)


def _middle(above: float, up_to: float, scale: Scale) -> float:
    """The middle, rounded as far as it stays in the middle half; above the one, up to the other."""
    low, high = (float(scale.of(np.float64(v))) for v in (above, up_to))
    exact = float(np.clip(scale.score((low + high) / 2), above, up_to))
    for digits in (2, 3, 4):
        rounded = round(exact, digits)
        place = float(scale.of(np.float64(rounded)))
        if above < rounded <= up_to and abs(place - (low + high) / 2) <= (high - low) / 4:
            return rounded
    return exact if exact > above else up_to
