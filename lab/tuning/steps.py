"""A rule's counts at every threshold, the other settings kept.

Counts change only where the threshold passes a score that occurs, so they are known exactly for
every threshold from a few steps. The exit threshold moves with the enter threshold, as the same
share of it: a rule with hysteresis keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lab.evaluation.matching import Matching
from lab.rules.rule import LabelRule, seconds_to_us

if TYPE_CHECKING:
    from lab.tuning.footage import Footage

_EDGES = {"bracket": 0, "observed": 1, "held": 2}


@dataclass(frozen=True, eq=False)
class ThresholdSteps:
    """Counts over clips for every enter threshold from `floor` to 1.

    values: float64 (k,), falling. Stretch 0 are thresholds above the first, stretch j those above
    values[j] (from the floor, for the last) up to values[j - 1]; within one all count the same.
    place, clip, change: for each change of a clip the position of its value, the clip, and what tp
    and fp change by. annotations: int64 (clips,). covered_us: int64 (clips,).
    """

    values: np.ndarray
    place: np.ndarray
    clip: np.ndarray
    change: np.ndarray
    annotations: np.ndarray
    covered_us: np.ndarray
    floor: float

    def totals(self, clips: np.ndarray | None = None) -> np.ndarray:
        """tp, fp, fn in each stretch, over some clips (bool mask; all, unless given).

        Returns int64 (k + 1, 3).
        """
        kept = slice(None) if clips is None else clips[self.clip]
        summed = np.zeros((len(self.values) + 1, 2), np.int64)
        np.add.at(summed, self.place[kept] + 1, self.change[kept])
        tp, fp = summed.cumsum(axis=0).T
        annotations = self.annotations[slice(None) if clips is None else clips].sum()
        return np.stack([tp, fp, annotations - tp], axis=1)

    def hours(self, clips: np.ndarray | None = None) -> float:
        """Of covered footage."""
        return float(self.covered_us[slice(None) if clips is None else clips].sum() / 3.6e9)

    def at(self, threshold: float) -> np.ndarray:
        """tp, fp, fn of each clip at a threshold: int64 (clips, 3)."""
        out = np.zeros((len(self.annotations), 3), np.int64)
        passed = self.values[self.place] >= threshold
        np.add.at(out, self.clip[passed], np.pad(self.change[passed], ((0, 0), (0, 1))))
        out[:, 2] = self.annotations - out[:, 0]
        return out

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Below and up to which score each stretch lies: float64 (k + 1,) both."""
        return np.append(self.values, self.floor), np.insert(self.values, 0, 1.0)


def threshold_steps(
    footage: Sequence[Footage],
    rule: LabelRule,
    floor: float,
    matching: Matching | None = None,
    exit_share: float | None = None,
) -> ThresholdSteps | None:
    """The counts of a rule at every threshold from `floor` on.

    footage: with coverage. rule: its thresholds say only what share of the enter threshold the exit
    threshold is, unless `exit_share` is given. None for a rule whose window has more samples than
    can be followed, or that closes at gaps where there are some.
    """
    from lab.tuning.step_sweep import MAX_WINDOW, count_steps

    matching = matching or Matching()
    if exit_share is None:
        exit_share = rule.debounce.exit_threshold / rule.debounce.enter_threshold
    values, clips, changes = [np.zeros(0)], [np.zeros(0, np.int64)], [np.zeros((0, 2), np.int64)]
    for i, clip in enumerate(footage):
        debounce = rule.debounce.resolved(clip.interval_us / 1e6)
        if debounce.enter_window > MAX_WINDOW or clip.gaps_for(debounce).any():
            return None
        scores = clip.scores(rule.box_filter).astype(np.float64)
        found, counts = count_steps(
            _around(clip),
            *_changes(scores, exit_share, floor),
            debounce.enter_frames,
            debounce.enter_window,
            debounce.exit_frames,
            seconds_to_us(debounce.merge_gap_s),
            seconds_to_us(debounce.min_duration_s),
            clip.covered,
            np.ascontiguousarray(clip.present),
            clip.counted,
            _reach_us(clip, matching),
            _EDGES[matching.edges],
            *matching.arguments,
        )
        values.append(found)
        clips.append(np.full(len(found), i))
        changes.append(np.diff(counts, axis=0, prepend=np.zeros((1, 2), np.int64)))
    falling, place = np.unique(-np.concatenate(values), return_inverse=True)
    return ThresholdSteps(
        values=-falling,
        place=place,
        clip=np.concatenate(clips),
        change=np.concatenate(changes),
        annotations=np.array([int(clip.counted.sum()) for clip in footage], np.int64),
        covered_us=np.array([clip.covered_us for clip in footage], np.int64),
        floor=floor,
    )


def _around(clip: Footage) -> np.ndarray:
    """The samples' times between the ends of the clip."""
    first, last = min(clip.start_us, clip.pts_us[0]), max(clip.end_us, clip.pts_us[-1])
    return np.concatenate([[first], clip.pts_us, [last]])


def _reach_us(clip: Footage, matching: Matching) -> int:
    """How far from an annotation a sighting may lie and still stand for it."""
    if matching.criterion == "tiou":
        return 0
    _, _, collar_us, share = matching.arguments
    longest = int((clip.present[:, 1] - clip.present[:, 0]).max(initial=0))
    return max(collar_us, int(share * longest) + 1)


def _changes(
    scores: np.ndarray, share: float, floor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """When a falling enter threshold changes a sample: the threshold, the sample, and what to.

    1: no longer under the exit threshold; 2: over the enter threshold. Thresholds fall.
    """
    samples = np.flatnonzero((scores >= floor) & (scores > 0))
    when, kind = scores[samples], np.full(len(samples), 2, np.int8)
    if share < 1:
        when = np.concatenate([_reaching(when, share), when])
        kind = np.concatenate([np.full(len(samples), 1, np.int8), kind])
        samples = np.concatenate([samples, samples])
    order = np.lexsort((kind, -when))
    return when[order], samples[order], kind[order]


def _reaching(scores: np.ndarray, share: float) -> np.ndarray:
    """The highest enter thresholds whose share is not above these scores, at most 1."""
    found = np.minimum(scores / share, 1.0)
    too_high = found * share > scores
    while too_high.any():
        found[too_high] = np.nextafter(found[too_high], 0)
        too_high = found * share > scores
    return found
