"""Intervals of many rates at once, at 95 %.

Counts in a time: Garwood, Biometrika 28 (1936) 437, as in `lab.evaluation.rates`; with no event
there is only an upper limit, -ln(0.05) / time ("the rule of three"). They hold where each event
comes by itself. Where they come in bouts, days or clips are resampled (`clustered_rates`), or the
spread between clips is taken (`ratio_interval`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

from lab.evaluation.rates import LEVEL, proportion_interval
from lab.evaluation.resampling import expanded_levels

RESAMPLES = 2000
_MOST_GROUPS = 400

Limits = tuple[np.ndarray, np.ndarray]


def count_rates(counts: np.ndarray, hours: np.ndarray, level: float = LEVEL) -> Limits:
    """Exact limits of rates for counts in hours, of any shape; NaN where no time passed.

    Garwood, Biometrika 28 (1936) 437.
    """
    tail = (1 - level) / 2
    unique, which = np.unique(counts, return_inverse=True)
    n = unique.astype(float)
    low = np.where(n > 0, special.gammaincinv(np.maximum(n, 1), tail), 0.0)
    high = np.where(
        n > 0, special.gammaincinv(n + 1, 1 - tail), special.gammainccinv(1.0, 1 - level)
    )
    which = which.reshape(counts.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        return tuple(  # type: ignore[return-value]
            np.where(hours > 0, limit[which] / hours, np.nan) for limit in (low, high)
        )


def clustered_rates(counts: np.ndarray, hours: np.ndarray, seed: int = 0) -> Limits:
    """Limits of the rates of bins, from whole groups that are resampled: shape (bins,) each.

    counts, hours: shape (groups, bins). The percentile bootstrap of the ratio of sums, expanded
    for few groups (Hesterberg, The American Statistician 69 (2015) 371); never narrower than
    `count_rates`. NaN where no time passed.
    """
    counts, hours = _pooled(counts), _pooled(hours)
    low, high = count_rates(counts.sum(axis=0), hours.sum(axis=0))
    groups = len(counts)
    if groups < 2:
        return low, high
    drawn = draws(groups, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        many = (drawn @ counts) / (drawn @ hours)
    at_low, at_high = expanded_levels(groups)
    found = _quantiles(many, (at_low, at_high))
    return np.fmin(low, found[0]), np.fmax(high, found[1])


@lru_cache(maxsize=4)
def draws(groups: int, seed: int = 0) -> np.ndarray:
    """How often each group is drawn, for each resample: float64 (RESAMPLES, groups)."""
    random = np.random.default_rng(seed)
    return random.multinomial(groups, np.full(groups, 1 / groups), size=RESAMPLES).astype(float)


def rate_ratio(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], seed: int = 0
) -> tuple[float, float, float]:
    """The rate of one divided by that of the other, and its limits; NaN where it is not defined.

    one, other: counts and hours of their groups, shape (groups,) each. Both are resampled as in
    `clustered_rates`; never narrower than the exact limits for two counts (Przyborowski and
    Wilenski, Biometrika 31 (1940) 313), where the share of one in both counts is a proportion.
    """
    (n, time), (m, other_time) = ((int(c.sum()), float(h.sum())) for c, h in (one, other))
    if min(time, other_time) <= 0 or n + m == 0:
        return np.nan, np.nan, np.nan
    share = proportion_interval(n, n + m)
    assert share is not None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.divide(n / time, m / other_time)
        low, high = np.array(share) / (1 - np.array(share)) * other_time / time
        many = _resampled(*one, seed) / _resampled(*other, seed + 1)
    many = many[~np.isnan(many)]
    groups = min(len(one[0]), len(other[0]))
    if groups > 1 and len(many):
        found = np.quantile(many, expanded_levels(groups), method="nearest")
        low, high = min(low, found[0]), max(high, found[1])
    return float(ratio), float(low), float(high)


def _resampled(counts: np.ndarray, hours: np.ndarray, seed: int) -> np.ndarray:
    drawn = draws(len(_pooled(counts)), seed)
    return (drawn @ _pooled(counts)) / (drawn @ _pooled(hours))


def _quantiles(many: np.ndarray, levels: tuple[float, float]) -> np.ndarray:
    """Of the resamples in which a bin has time: shape (2, bins)."""
    is_whole = ~np.isnan(many).any(axis=0)
    found = np.full((2, many.shape[1]), np.nan)
    if is_whole.any():
        found[:, is_whole] = np.quantile(many[:, is_whole], levels, axis=0)
    for at in np.flatnonzero(~is_whole):
        kept = many[~np.isnan(many[:, at]), at]
        if len(kept):
            found[:, at] = np.quantile(kept, levels)
    return found


def _pooled(values: np.ndarray) -> np.ndarray:
    """At most so many groups; neighbours are taken together where there are more."""
    size = -(-len(values) // _MOST_GROUPS)
    if size <= 1:
        return np.asarray(values, float)
    return np.add.reduceat(np.asarray(values, float), np.arange(0, len(values), size), axis=0)


def ratio_interval(part: np.ndarray, whole: np.ndarray, bins: np.ndarray, n: int) -> Limits:
    """Limits of sum(part) / sum(whole) of each of n bins, from the spread between their clips.

    part, whole: float64 (clips,), such as hours of presence and analysed hours; bins: int64
    (clips,). The ratio estimator with Student's t (Cochran, Sampling Techniques, 3rd ed. (1977),
    6.19), within 0 and 1; NaN for bins with fewer than two clips.
    """
    clips = np.bincount(bins, minlength=n).astype(float)
    total, found = (np.bincount(bins, weights=v, minlength=n) for v in (whole, part))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = found / total
        rest = (part - ratio[bins] * whole) ** 2
        spread = np.bincount(bins, weights=rest, minlength=n) * clips / (clips - 1)
        reach = special.stdtrit(np.maximum(clips - 1, 1), (1 + LEVEL) / 2) * np.sqrt(spread) / total
    reach[clips < 2] = np.nan
    return np.clip(ratio - reach, 0, 1), np.clip(ratio + reach, 0, 1)
