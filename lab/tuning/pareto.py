"""The rules that no other rule beats."""

from __future__ import annotations

import numpy as np


def pareto_front(recall: np.ndarray, false_per_hour: np.ndarray, f1: np.ndarray) -> np.ndarray:
    """Positions of rules that none beats in recall at as few false sightings; rising in both."""
    usable = np.flatnonzero(~np.isnan(recall) & ~np.isnan(false_per_hour))
    order = usable[
        np.lexsort((-np.nan_to_num(f1[usable]), -recall[usable], false_per_hour[usable]))
    ]
    best, front = -1.0, []
    for i in order.tolist():
        if recall[i] > best:
            best = float(recall[i])
            front.append(i)
    return np.array(front, np.int64)
