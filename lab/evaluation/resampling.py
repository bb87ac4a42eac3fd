"""Intervals that resample whole groups (sites, nights, clips), not sightings.

The percentile bootstrap, expanded for few groups (Hesterberg, The American Statistician 69 (2015)
371).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from lab.evaluation.rates import (
    LEVEL,
    Interval,
    f1_interval,
    proportion_interval,
    rate_interval,
    rates_of,
    refused_rates,
)

RESAMPLES = 4000
_RATES = ("precision", "recall", "f1", "false_per_hour")


def grouped_figures(per_group: np.ndarray, hours: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Figures over groups, each with an interval from resampled groups.

    per_group: int64 (g, 3): tp, fp, fn. hours: float64 (g,), of covered footage.

    Returns JSON values; `refused` gives the reason for each figure that is None.
    """
    point = rates_of(per_group.sum(axis=0), float(hours.sum()))
    g = len(per_group)
    draws = np.random.default_rng(seed).multinomial(g, np.full(g, 1 / g), size=RESAMPLES)
    with np.errstate(divide="ignore", invalid="ignore"):
        sums, times = draws @ per_group, draws @ hours
        many = rates_of(sums, 1.0) | {"false_per_hour": sums[:, 1] / times}
    low, high = expanded_levels(g)
    row: dict[str, Any] = {
        k: int(v) for k, v in zip(("tp", "fp", "fn"), per_group.sum(axis=0), strict=True)
    }
    row["covered_s"] = float(hours.sum() * 3600)
    for name in _RATES:
        value = float(point[name])
        kept = many[name][~np.isnan(many[name])]
        interval: Interval | None = None
        if len(kept) and not np.isnan(value):
            interval = float(np.quantile(kept, low)), float(np.quantile(kept, high))
            interval = _at_least_exact(name, interval, per_group.sum(axis=0), float(hours.sum()))
        row[name] = None if np.isnan(value) else value
        row[f"{name}_interval"] = None if interval is None else list(interval)
    row["refused"] = refused_rates(row["tp"], row["fp"], row["fn"], float(hours.sum()))
    return row


def _at_least_exact(name: str, found: Interval, totals: np.ndarray, hours: float) -> Interval:
    """Never narrower than if every sighting stood for itself: all groups alike is not certainty."""
    tp, fp, fn = (int(v) for v in totals)
    exact = {
        "precision": lambda: proportion_interval(tp, tp + fp),
        "recall": lambda: proportion_interval(tp, tp + fn),
        "f1": lambda: f1_interval(tp, fp, fn),
        "false_per_hour": lambda: rate_interval(fp, hours),
    }[name]()
    return found if exact is None else (min(found[0], exact[0]), max(found[1], exact[1]))


def expanded_levels(groups: int, level: float = LEVEL) -> tuple[float, float]:
    """Quantiles of the bootstrap for `groups` groups: wider than nominal where they are few."""
    n = max(2, groups)
    tail = special.ndtr(-np.sqrt(n / (n - 1)) * special.stdtrit(n - 1, (1 + level) / 2))
    return float(tail), float(1 - tail)


def paired_gain(one: np.ndarray, other: np.ndarray, seed: int = 0) -> tuple[float, Interval]:
    """F1 of one minus F1 of the other over the same groups (g, 3), and its bootstrap interval."""
    return paired_difference(one, other, np.ones(len(one)), "f1", seed)


def paired_difference(
    one: np.ndarray, other: np.ndarray, hours: np.ndarray, figure: str, seed: int = 0
) -> tuple[float, Interval]:
    """A figure of `rates_of` of one less that of the other, and its bootstrap interval.

    one, other: int64 (g, 3) of the same groups. hours: float64 (g,), of covered footage. A figure
    that is not defined counts as 0.
    """
    g = len(one)
    draws = np.random.default_rng(seed).multinomial(g, np.full(g, 1 / g), size=RESAMPLES)

    def value(counts: np.ndarray, times: np.ndarray) -> np.ndarray:
        if figure == "false_per_hour":
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.nan_to_num(counts[..., 1] / times)
        return np.nan_to_num(rates_of(counts, 1.0)[figure])

    times = draws @ hours
    differences = value(draws @ one, times) - value(draws @ other, times)
    low, high = expanded_levels(g)
    whole = value(one.sum(axis=0), hours.sum()) - value(other.sum(axis=0), hours.sum())
    return float(whole), (
        float(np.quantile(differences, low)),
        float(np.quantile(differences, high)),
    )
