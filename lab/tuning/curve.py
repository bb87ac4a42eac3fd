"""Precision and recall at every threshold that occurs, at once.

A sighting is here what one sample over and one under make (enter_frames = exit_frames = 1), so the
sightings of falling thresholds form a tree: a stretch of samples grows and joins its neighbours.
Each stretch is matched once, when it appears, and the pairs are repaired instead of made anew
(the idea of Ebbers, Serizel and Haeb-Umbach, ICASSP 2022, of changes at each score).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lab.evaluation.matching import Matching
from lab.evaluation.rates import rates_of
from lab.rules.box_filter import BoxFilter

if TYPE_CHECKING:
    from lab.tuning.footage import Footage


@dataclass(frozen=True, eq=False)
class Curve:
    """thresholds: float64 (k,), falling, each a score that occurs; a sample at it is over.

    counts: int64 (k, 3): tp, fp, fn. hours: of covered footage.
    """

    thresholds: np.ndarray
    counts: np.ndarray
    hours: float

    @property
    def precision(self) -> np.ndarray:
        return rates_of(self.counts, self.hours)["precision"]

    @property
    def recall(self) -> np.ndarray:
        return rates_of(self.counts, self.hours)["recall"]

    @property
    def f1(self) -> np.ndarray:
        return rates_of(self.counts, self.hours)["f1"]

    @property
    def false_per_hour(self) -> np.ndarray:
        return rates_of(self.counts, self.hours)["false_per_hour"]

    def thinned(self, most: int = 500) -> Curve:
        """At most so many points, ends included: for drawing."""
        if len(self.thresholds) <= most:
            return self
        keep = np.unique(np.linspace(0, len(self.thresholds) - 1, most).round().astype(int))
        return Curve(self.thresholds[keep], self.counts[keep], self.hours)


def threshold_curve(
    footage: list[Footage], matching: Matching | None = None, *, floor: float = 0.0
) -> Curve:
    """The curve over clips. Thresholds below `floor` are left out: the log cannot answer them."""
    from lab.tuning.threshold_sweep import count_changes

    matching = matching or Matching()
    scores, changes, annotations, covered_us = [], [], 0, 0
    for clip in footage:
        if not clip.covered_us:
            continue
        covered_us += clip.covered_us
        annotations += int(clip.counted.sum())
        values, steps = count_changes(clip, clip.scores(BoxFilter()), matching)
        keep = (values > 0) & (values >= floor)
        scores.append(values[keep])
        changes.append(steps[keep])
    if not scores:
        return Curve(np.zeros(0), np.zeros((0, 3), np.int64), 0.0)
    thresholds, place = np.unique(-np.concatenate(scores), return_inverse=True)
    summed = np.zeros((len(thresholds), 2), np.int64)
    np.add.at(summed, place, np.concatenate(changes))
    tp, fp = summed.cumsum(axis=0).T
    counts = np.stack([tp, fp, annotations - tp], axis=1)
    return Curve(-thresholds, counts, covered_us / 3.6e9)
