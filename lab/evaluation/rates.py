"""Exact intervals of rates.

Proportions: Clopper and Pearson, Biometrika 26 (1934) 404. Counts in a time: Garwood, Biometrika
28 (1936) 437; with no event at all only an upper limit exists, and it is one-sided ("the rule of
three": none in 2 h is at most 1.5 an hour at 95 %).
"""

from __future__ import annotations

import numpy as np
from scipy import special

LEVEL = 0.95
NO_SIGHTING = "the watched footage has no sighting that counts, so no share of them is defined"
NO_ANNOTATION = (
    "the watched footage has no annotation that counts, so none could be found or missed"
)
NOTHING_COUNTED = "the watched footage has neither a sighting nor an annotation that counts"
NO_TIME = "none of the watched footage was analysed, so there is no time to divide by"
Interval = tuple[float, float]


def proportion_interval(k: int, n: int, level: float = LEVEL) -> Interval | None:
    """The interval for k successes in n trials; None without a trial. 5 of 5 is [0.478, 1]."""
    if n == 0:
        return None
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(special.betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(special.betaincinv(k + 1, n - k, 1 - tail))
    return low, high


def rate_interval(events: int, time: float, level: float = LEVEL) -> Interval | None:
    """The interval for events per unit of `time`; None if no time passed."""
    if time <= 0:
        return None
    if events == 0:
        return 0.0, float(special.gammainccinv(1, 1 - level)) / time
    tail = (1 - level) / 2
    low = float(special.gammaincinv(events, tail))
    high = float(special.gammaincinv(events + 1, 1 - tail))
    return low / time, high / time


def f1_interval(tp: int, fp: int, fn: int, level: float = LEVEL) -> Interval | None:
    """The interval for F1 = 2 J / (1 + J), J = tp / (tp + fp + fn), from the exact one of J.

    The number of sightings and annotations together is taken as given.
    """
    joint = proportion_interval(tp, tp + fp + fn, level)
    return None if joint is None else (2 * joint[0] / (1 + joint[0]), 2 * joint[1] / (1 + joint[1]))


def ratio(part: float, whole: float) -> float | None:
    """None where there is nothing to divide by: a rate of nothing is not 0."""
    return part / whole if whole else None


def refused_rates(tp: int, fp: int, fn: int, hours: float) -> dict[str, str]:
    """Why rates of these counts are null: figure to reason, for those that are."""
    out = {}
    if not tp + fp:
        out["precision"] = NO_SIGHTING
    if not tp + fn:
        out["recall"] = NO_ANNOTATION
    if not tp + fp + fn:
        out["f1"] = NOTHING_COUNTED
    if not hours > 0:
        out["false_per_hour"] = NO_TIME
    return out


def rates_of(totals: np.ndarray, hours: float) -> dict[str, np.ndarray]:
    """precision, recall, f1, false_per_hour of counts (..., 3); NaN where one is not defined."""
    tp, fp, fn = (totals[..., i].astype(np.float64) for i in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "false_per_hour": fp / hours if hours > 0 else np.full(tp.shape, np.nan),
        }
