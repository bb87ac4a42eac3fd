"""One label's scores over the samples of one run: what rules, figures and advice are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from lab.errors import SettingError
from lab.rules.box_filter import BoxFilter
from lab.rules.rule import Debounce
from lab.score_log.compact import CompactLog
from lab.score_log.effort import analysed_spans, gap_limit_us
from lab.score_log.interval import sampling_interval_s
from lab.score_log.score_log import ScoreLog
from lab.sighting import FinishReason
from lab.video.source import SKIPPED

_END_REASONS: dict[str, FinishReason] = {
    "cancelled": "cancelled",
    "failed": "error",
    "interrupted": "error",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoreSeries:
    """The scores of one label, with all that is needed to decide about them.

    sample_pts_us: int64 (n,), rising: every sample of the run.
    scored: bool (n,): samples that the label has a score on. The others failed, were held back by
        a gate (`gated`, bool (n,)), or were not analysed for this label.
    scores: float32, one for each scored sample: the highest confidence of the detections that
        pass the box filter, 0 if there is none.
    interval_s: the sampling interval, by which seconds become counts of samples.
    start_us, end_us: where the media begins; where it, or the log of an unfinished run, ends.
    end_reason: why the log ends there.
    score_floor: detections below it were not kept; no threshold may be below it.
    every_s: the interval that was asked for, 0 for every frame: effort is counted by it.
    reasons: why a sample has no score, by its position among all samples.
    """

    label: str
    sample_pts_us: np.ndarray
    scored: np.ndarray
    scores: np.ndarray
    interval_s: float
    start_us: int
    end_us: int
    end_reason: FinishReason = "end"
    score_floor: float = 0.0
    every_s: float = 0.0
    gated: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    reasons: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.scores) != np.count_nonzero(self.scored):
            raise ValueError(
                f"scores must be one for each of the {np.count_nonzero(self.scored)} scored "
                f"samples, got {len(self.scores)}"
            )
        if not len(self.gated):
            object.__setattr__(self, "gated", np.zeros(len(self.sample_pts_us), bool))

    @classmethod
    def from_log(
        cls,
        log: ScoreLog | CompactLog,
        label: str,
        box_filter: BoxFilter | None = None,
        *,
        recipe: Mapping[str, Any],
        media: Mapping[str, Any],
        state: str = "done",
    ) -> ScoreSeries:
        """From the log of a run: its recipe, its media (`first_pts_us`, `end_us`, `width_px`,
        `height_px`), and the state that it is in. A compact log has no boxes to filter.

        Raises SettingError for a label that the run did not look for.
        """
        if box_filter is None or box_filter.passes_all:
            scores = log.scores(label)
        elif isinstance(log, CompactLog):
            raise ValueError("a compact log has no boxes to filter")
        else:
            size_px = {name: media[name] for name in ("width_px", "height_px")}
            scores = log.scores(label, partial(box_filter.mask, **size_px))
        return cls(
            label=label,
            sample_pts_us=log.pts_us,
            scored=log.ok_of(label),
            scores=scores,
            interval_s=sampling_interval_s(recipe, log.pts_us),
            start_us=int(media["first_pts_us"]),
            end_us=log.end_us(int(media["end_us"]), state),
            end_reason="cancelled" if label in log.adding else _END_REASONS.get(state, "end"),
            score_floor=float(recipe["score_floor"]),
            every_s=float(recipe["every_s"]),
            gated=log.gated,
            reasons=log.reasons_of(label),
        )

    @classmethod
    def from_arrays(
        cls,
        label: str,
        pts_us: np.ndarray,
        scores: np.ndarray,
        *,
        interval_s: float | None = None,
        start_us: int | None = None,
        end_us: int | None = None,
        end_reason: FinishReason = "end",
        score_floor: float = 0.0,
    ) -> ScoreSeries:
        """From times (int64, shape (n,), rising) and scores (shape (n,)), all of them scored.

        interval_s: the median distance of the times, unless given. start_us, end_us: the first
        and the last time, unless given.
        """
        times = np.ascontiguousarray(pts_us, np.int64)
        median_s = float(np.median(np.diff(times)) / 1e6) if len(times) > 1 else 1.0
        first, last = (int(times[0]), int(times[-1])) if len(times) else (0, 0)
        return cls(
            label=label,
            sample_pts_us=times,
            scored=np.ones(len(times), bool),
            scores=np.ascontiguousarray(scores, np.float32),
            interval_s=median_s if interval_s is None else interval_s,
            start_us=first if start_us is None else min(start_us, first),
            end_us=last if end_us is None else max(end_us, last),
            end_reason=end_reason,
            score_floor=score_floor,
        )

    @cached_property
    def pts_us(self) -> np.ndarray:
        """int64, one for each score: the times of the scored samples."""
        return self.sample_pts_us if self.scored.all() else self.sample_pts_us[self.scored]

    @property
    def interval_us(self) -> int:
        return round(self.interval_s * 1e6)

    @cached_property
    def analysed(self) -> np.ndarray:
        """The stretches that the scored samples stand for: int64 (k, 2) in microseconds."""
        return self.spans_of(self.scored)

    def spans_of(self, samples: np.ndarray) -> np.ndarray:
        """The stretches that these samples (bool, one for each of all) stand for: int64 (k, 2)."""
        return analysed_spans(self.sample_pts_us, samples, self.end_us, self.every_s)

    @cached_property
    def after_gap(self) -> np.ndarray:
        """bool, one for each score: a gap lies between the scored sample before it and this one.

        A gap is more than max(1 s, 5 intervals) without a sample that has a score or was held back
        by a gate. Samples that failed or were skipped do not count: nothing is known of them.
        """
        known = self.scored | self.gated
        skipped = [at for at, why in self.reasons.items() if why == SKIPPED]
        known[skipped] = self.scored[skipped]
        steps_us = np.diff(self.sample_pts_us[known], prepend=self.sample_pts_us[:1])
        gaps = np.cumsum(steps_us > gap_limit_us(self.interval_us))[self.scored[known]]
        return np.diff(gaps, prepend=gaps[:1]) > 0

    def is_held_back(self, position: int) -> bool:
        """Whether a gate kept this sample, by its position among all, from the detector."""
        return bool(self.gated[position]) and self.reasons.get(position) != SKIPPED

    def gaps_for(self, debounce: Debounce) -> np.ndarray:
        """`after_gap` where this debounce closes at gaps, else nothing (of length 0)."""
        return self.after_gap if debounce.gap_policy == "close" else np.zeros(0, bool)

    def resolve(self, debounce: Debounce) -> Debounce:
        """The debounce in counts of samples at this series' interval."""
        return debounce.resolved(self.interval_s)

    def at(self, samples: np.ndarray) -> ScoreSeries:
        """The same at some of the scored samples alone (bool or positions among them)."""
        kept = np.flatnonzero(self.scored)[samples]
        scored = np.zeros(len(self.scored), bool)
        scored[kept] = True
        return replace(self, scored=scored, scores=np.ascontiguousarray(self.scores[samples]))

    def with_scores(self, scores: np.ndarray) -> ScoreSeries:
        """The same samples with other scores."""
        return replace(self, scores=np.ascontiguousarray(scores, np.float32))

    def why_not_scored(self, position: int) -> str:
        """Why a sample, by its position among all, has no score.

        Raises SettingError if it has one.
        """
        if self.scored[position]:
            raise SettingError(f"sample {position} of {self.label!r} has a score")
        return self.reasons.get(position) or f"{self.label} was not analysed"
