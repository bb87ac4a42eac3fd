"""Which sightings begin an independent event: camtrapR's two rules, over arrays."""

from __future__ import annotations

import numpy as np

RULES = ("lastRecord", "lastIndependentRecord")


def event_begins(
    group: np.ndarray, onset_us: np.ndarray, end_us: np.ndarray, interval_us: int, rule: str
) -> np.ndarray:
    """Whether each sighting begins an event: bool, shape (n,).

    group: int64 that rises, equal for what belongs to one site and label. onset_us, end_us: int64;
    onsets rise within a group. A sighting is independent if it begins at least `interval_us` after
    the end of what it is compared to: the last sighting of the event (`lastRecord`; of several at a
    time the one that ends last), or the one that began the event (`lastIndependentRecord`).
    """
    n = len(group)
    if not n:
        return np.zeros(0, bool)
    first = np.r_[True, group[1:] != group[:-1]]
    if rule == "lastRecord":
        last_end = _highest_so_far(group, first, end_us)
        late = np.r_[False, onset_us[1:] - last_end[:-1] >= interval_us]
        return first | (late & _later(first, onset_us))
    return _reached(first, _next_independent(group, onset_us, end_us + interval_us))


def _later(first: np.ndarray, onset_us: np.ndarray) -> np.ndarray:
    """Whether a sighting begins after the one before it: those of one moment are one event."""
    return first | np.r_[True, onset_us[1:] > onset_us[:-1]]


def _highest_so_far(group: np.ndarray, first: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Within each group, the highest value up to each place. Ranks keep it within 64 bits."""
    ranks = np.empty(len(values), np.int64)
    order = np.argsort(values, kind="stable")
    ranks[order] = np.arange(len(values))
    number = np.cumsum(first) - 1
    highest = np.maximum.accumulate(ranks + number * len(values)) - number * len(values)
    return values[order][highest]


def _next_independent(group: np.ndarray, onset_us: np.ndarray, from_us: np.ndarray) -> np.ndarray:
    """For each sighting the index of the first in its group that begins at or after `from_us`, and
    after itself; n where there is none.
    """
    n = len(group)
    # Sightings and the moments from which they count, in one order: at a tie the moment is first.
    kinds = np.r_[np.ones(n, np.int64), np.zeros(n, np.int64)]
    order = np.lexsort((kinds, np.r_[onset_us, from_us], np.r_[group, group]))
    before = np.empty(2 * n, np.int64)
    before[order] = np.cumsum(kinds[order] == 1)
    after = before[n:]  # how many sightings lie before the moment: the index of the next
    # Of those of one moment none follows another.
    last = np.r_[np.flatnonzero(np.diff(onset_us) | np.diff(group)), n - 1]
    beyond = last[np.searchsorted(last, np.arange(n))] + 1
    after = np.maximum(after, beyond)
    known = after < n
    known[known] = group[after[known]] == group[known]
    return np.where(known, after, n)


def _reached(first: np.ndarray, following: np.ndarray) -> np.ndarray:
    """What is reached from the first of each group, in steps that double."""
    n = len(first)
    reached = np.r_[first, False]
    step = np.r_[following, n]
    while (step[:n] < n).any():
        reached[step[np.flatnonzero(reached)]] = True
        reached[n] = False
        step = step[step]
    return reached[:n]
