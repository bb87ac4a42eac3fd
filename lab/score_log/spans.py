"""Stretches of time: int64 arrays of shape (n, 2), microseconds, sorted, not touching."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

NONE = np.zeros((0, 2), np.int64)


def union(spans: Iterable[tuple[int, int]] | np.ndarray) -> np.ndarray:
    """The stretches that lie in at least one span; those that touch become one."""
    rows = np.asarray(list(spans) if not isinstance(spans, np.ndarray) else spans, np.int64)
    rows = rows.reshape(-1, 2)
    if not len(rows):
        return NONE
    if len(rows) == 1:
        return rows
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    reached = np.maximum.accumulate(rows[:, 1])
    begins = np.flatnonzero(np.append(True, rows[1:, 0] > reached[:-1]))
    ends = np.append(begins[1:] - 1, len(rows) - 1)
    return np.stack([rows[begins, 0], reached[ends]], axis=1)


def intersection(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The stretches that lie in both (each a union already)."""
    if not len(one) or not len(other):
        return NONE
    first = np.searchsorted(other[:, 1], one[:, 0], "right")
    last = np.searchsorted(other[:, 0], one[:, 1], "left")
    counts = np.maximum(0, last - first)
    left = np.repeat(np.arange(len(one)), counts)
    starts = np.cumsum(counts) - counts
    right = np.arange(counts.sum()) - np.repeat(starts - first, counts)
    return np.stack(
        [np.maximum(one[left, 0], other[right, 0]), np.minimum(one[left, 1], other[right, 1])],
        axis=1,
    )


def subtraction(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The stretches of `one` that are not in `other` (each a union already)."""
    if not len(one) or not len(other):
        return one
    first_us, last_us = int(one[0, 0]), int(one[-1, 1])
    inside = other[(other[:, 1] > first_us) & (other[:, 0] < last_us)]
    edges = np.concatenate([[first_us], np.clip(inside, first_us, last_us).ravel(), [last_us]])
    rest = edges.reshape(-1, 2)
    return intersection(one, rest[rest[:, 1] > rest[:, 0]])


def total_us(spans: np.ndarray) -> int:
    """Their total length, in microseconds."""
    return int((spans[:, 1] - spans[:, 0]).sum())


def contains(spans: np.ndarray, at_us: np.ndarray) -> np.ndarray:
    """bool, shape of at_us: the moment lies in one of the stretches, their ends included."""
    if not len(spans):
        return np.zeros(len(at_us), bool)
    row = np.searchsorted(spans[:, 0], at_us, "right") - 1
    return (row >= 0) & (at_us <= spans[np.maximum(row, 0), 1])


def true_runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last position of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]
