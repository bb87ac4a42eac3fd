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
    counts = {label: _counts(log, label, rule, media) for label in {s.label for s in sightings}}
    found = []
    for s in sightings:
        first = int(np.searchsorted(log.pts_us, s.onset_us))
        last = int(np.searchsorted(log.pts_us, s.offset_us, side="right"))
        found.append(int(counts[s.label][first:last].max(initial=0)))
    return found


def _counts(log: ScoreLog, label: str, rule: Rule, media: Mapping[str, Any]) -> np.ndarray:
    """The label's boxes that count, of each sample: int64, shape (n,)."""
    wanted = rule.of(label)
    size_px = {name: media[name] for name in ("width_px", "height_px")}
    is_all = wanted.box_filter.passes_all
    passes = None if is_all else partial(wanted.box_filter.mask, **size_px)
    return log.box_counts(label, wanted.debounce.enter_threshold, passes)
