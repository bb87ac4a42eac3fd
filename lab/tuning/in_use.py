"""Whether a rule that a search found is better than the rule in use.

A change of rule makes sightings before and after it hard to compare, so it should be worth it: only
what resampling of whole groups tells apart is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.evaluation.matching import Matching, Presences
from lab.evaluation.resampling import paired_difference
from lab.rules.replay import replay_rows
from lab.rules.rule import LabelRule
from lab.score_log import spans
from lab.tuning.choice import Goal, best_of, reaching
from lab.tuning.footage import Footage

NAMES = {"f1": "F1", "recall": "recall", "false_per_hour": "false sightings an hour"}


@dataclass(frozen=True)
class Difference:
    """A figure of the rule that was found less that of the rule in use.

    figure: `f1`, `recall` or `false_per_hour`, of which less is better. interval: from resampled
    groups; None where there are fewer than two. by: `site`, `night`, `clip`, or, where all footage
    is one clip, `event`: an annotation or a false sighting. groups: how many. is_held_out: whether
    the rule was found without the group on which it is counted.
    """

    figure: str
    value: float
    interval: tuple[float, float] | None
    by: str
    groups: int
    is_held_out: bool

    @property
    def is_better(self) -> bool:
        """Whether the found rule is better beyond what resampling tells apart.

        Without an interval, whether it is better at all.
        """
        sign = -1 if self.figure == "false_per_hour" else 1
        if self.interval is None:
            return sign * self.value > 0
        return min(sign * self.interval[0], sign * self.interval[1]) > 0

    def text(self) -> str:
        limits = self.interval
        over = "footage that it was not chosen on" if self.is_held_out else "the same footage"
        return (
            f"{NAMES[self.figure]} {self.value:+.3f}"
            + (f" [{limits[0]:+.3f}, {limits[1]:+.3f}]" if limits else "")
            + f" on {over}, by {self.by}"
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "figure": self.figure,
            "value": self.value,
            "interval": None if self.interval is None else list(self.interval),
            "by": self.by,
            "groups": self.groups,
            "held_out": self.is_held_out,
        }


def counts_in_use(
    footage: Sequence[Footage], rule: LabelRule, floor: float, matching: Matching
) -> np.ndarray | None:
    """tp, fp, fn of a rule in each clip: int32 (clips, 3); None below the floor."""
    from lab.evaluation import kernels

    if rule.debounce.exit_threshold < floor:
        return None
    out = np.zeros((len(footage), 3), np.int32)
    for i, clip in enumerate(footage):
        segments = _segments(clip, rule, matching)
        out[i] = kernels.count_matches(segments, clip.present, clip.counted, *matching.arguments)
    return out


def _segments(clip: Footage, rule: LabelRule, matching: Matching) -> np.ndarray:
    """Edges of the rule's sightings inside covered stretches."""
    from lab.evaluation import kernels

    debounce = rule.debounce.resolved(clip.interval_us / 1e6)
    rows, n = replay_rows(
        clip.pts_us, clip.scores(rule.box_filter), debounce, clip.gaps_for(debounce)
    )
    found = Presences.from_rows(rows[:n], clip.pts_us, clip.start_us, clip.end_us)
    segments, _ = kernels.clip_edges(matching.taken(found.edges), clip.covered)
    return np.asarray(segments)


def counts_by_event(
    clip: Footage, one: LabelRule, other: LabelRule, matching: Matching
) -> tuple[np.ndarray, np.ndarray]:
    """tp, fp, fn of two rules in each event of a clip: int64 (events, 3) both.

    An event is an annotation, or a stretch in which one or both have false sightings.
    """
    (found_one, false_one), (found_other, false_other) = (
        _matched(clip, rule, matching) for rule in (one, other)
    )
    stretches = spans.union(np.concatenate([false_one, false_other]))
    sides = []
    for found, false in ((found_one, false_one), (found_other, false_other)):
        count = np.zeros(len(stretches), np.int64)
        np.add.at(count, np.searchsorted(stretches[:, 0], false[:, 0], "right") - 1, 1)
        nothing = np.zeros(len(stretches), np.int64)
        of_annotations = np.stack([found, np.zeros_like(found), 1 - found], axis=1)
        of_false = np.stack([nothing, count, nothing], axis=1)
        sides.append(np.concatenate([of_annotations, of_false]))
    return sides[0], sides[1]


def _matched(clip: Footage, rule: LabelRule, matching: Matching) -> tuple[np.ndarray, np.ndarray]:
    """For each annotation that counts 1 if it was found, else 0; and what is false.

    Returns int64 (annotations,) and int64 (k, 2), starts and ends.
    """
    from lab.evaluation import kernels

    truth = np.ascontiguousarray(clip.present[clip.counted])
    segments = _segments(clip, rule, matching)
    first, which, _ = kernels.candidates(segments, truth, *matching.arguments)
    match_of, _ = kernels.largest_matching(first, which, len(truth))
    found = np.zeros(len(truth), np.int64)
    found[match_of[match_of >= 0]] = 1
    is_false = (match_of < 0) & ~kernels.uncounted(segments, clip.present, clip.counted, first)
    return found, segments[is_false][:, [0, 3]] + [0, 1]  # of a moment, too


def figure_to_compare(goal: Goal, in_use: np.ndarray, hours: float) -> str:
    """What the rule in use is judged by: what the goal asks for while it lacks it, else the rest.

    in_use: int64 (3,), its counts over all footage.
    """
    if goal.kind == "f1":
        return "f1"
    reaches = bool(reaching(in_use[None], hours, goal)[0])
    return "false_per_hour" if (goal.kind == "recall") == reaches else "recall"


def serves_better(goal: Goal, in_use: np.ndarray, found: np.ndarray, hours: float) -> bool:
    """Whether counts (3,) that were found serve a goal better than those of the rule in use."""
    best, _ = best_of(np.stack([in_use, found]), hours, goal)
    return not bool(best[0])


def is_needed(goal: Goal, in_use: np.ndarray, found: np.ndarray, hours: float) -> bool:
    """Whether only the rule that was found keeps what the goal asks for."""
    reaches = reaching(np.stack([in_use, found]), hours, goal)
    return bool(reaches[1] and not reaches[0])


def difference(
    goal: Goal,
    in_use: np.ndarray,
    found: np.ndarray,
    hours: np.ndarray,
    by: str,
    seed: int,
    is_held_out: bool,
) -> Difference:
    """in_use, found: int64 (groups, 3). hours: float64 (groups,)."""
    figure = figure_to_compare(goal, in_use.sum(axis=0), float(hours.sum()))
    value, interval = paired_difference(found, in_use, hours, figure, seed)
    several = len(in_use) > 1
    return Difference(figure, value, interval if several else None, by, len(in_use), is_held_out)
