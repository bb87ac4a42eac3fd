"""The largest number of boxes of a label on one sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from lab.rules.rule import Rule
from lab.score_log.score_log import ScoreLog
from lab.sighting import Sighting


def most_at_once(
    sightings: Sequence[Sighting], log: ScoreLog, rule: Rule, *, media: Mapping[str, Any]
) -> list[int]:
    """For each sighting, the largest number of boxes of its label on one of its samples.

    A box counts from the label's enter threshold on, where its box filter lets it through; so it is
    1 or more. media: with `width_px` and `height_px`.
    """
    found = np.zeros(len(sightings), np.int64)
    for label in {s.label for s in sightings}:
        at = [i for i, s in enumerate(sightings) if s.label == label]
        onsets = np.searchsorted(log.pts_us, [sightings[i].onset_us for i in at])
        ends = np.searchsorted(log.pts_us, [sightings[i].offset_us for i in at], side="right")
        counts = np.append(_counts(log, label, rule, media), 0)  # an end may lie behind the last
        between = np.column_stack([onsets, ends]).ravel()
        found[at] = np.maximum.reduceat(counts, between)[::2]
    return found.tolist()


def _counts(log: ScoreLog, label: str, rule: Rule, media: Mapping[str, Any]) -> np.ndarray:
    """The label's boxes that count, of each sample: int64, shape (n,)."""
    wanted = rule.of(label)
    size_px = {name: media[name] for name in ("width_px", "height_px")}
    is_all = wanted.box_filter.passes_all
    passes = None if is_all else partial(wanted.box_filter.mask, **size_px)
    return log.box_counts(label, wanted.debounce.enter_threshold, passes)
