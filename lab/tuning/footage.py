"""What a search over rules needs of each clip, for one label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lab.evaluation.counts import resolvable
from lab.evaluation.pooling import media_names
from lab.evaluation.truth import NOTHING, LabelTruth, Truth
from lab.rules.box_filter import BoxFilter
from lab.rules.rule import Debounce, LabelRule, Rule
from lab.score_log import spans

if TYPE_CHECKING:
    from lab.runs.run import Run


@dataclass(frozen=True, eq=False)
class Footage:
    """One clip and one label.

    pts_us: int64 (n,), analysed samples. scores: float32 (n,) for a box filter.
    present: int64 (m, 2), annotations inside covered stretches. counted: bool (m,), False below
    the resolution of the samples. covered: int64 (k, 2). covered_us: watched and analysed.
    after_gap: bool (n,), samples before which there is a gap.
    site, night: where and when, if known; folds of a cross-validation hold out whole ones.
    """

    media_id: str
    name: str
    site: str | None
    night: str | None
    pts_us: np.ndarray
    scores: Callable[[BoxFilter], np.ndarray]
    start_us: int
    end_us: int
    interval_us: int
    present: np.ndarray
    counted: np.ndarray
    covered: np.ndarray
    covered_us: int
    after_gap: np.ndarray

    def gaps_for(self, debounce: Debounce) -> np.ndarray:
        """As of `lab.rules.series.ScoreSeries.gaps_for`."""
        return self.after_gap if debounce.gap_policy == "close" else self.after_gap[:0]

    @classmethod
    def made(
        cls,
        name: str,
        pts_us: np.ndarray,
        scores: np.ndarray | Callable[[BoxFilter], np.ndarray],
        truth: LabelTruth,
        *,
        start_us: int,
        end_us: int,
        interval_us: int,
        analysed: np.ndarray | None = None,
        media_id: str | None = None,
        site: str | None = None,
        night: str | None = None,
        after_gap: np.ndarray | None = None,
    ) -> Footage:
        """From arrays. analysed: the stretches that count as analysed; all unless given.
        after_gap: no gaps unless given.
        """
        from lab.evaluation import kernels

        whole = np.array([[start_us, end_us]], np.int64)
        present = np.ascontiguousarray(truth.present[:, [0, 0, 1, 1]])
        cut, _ = kernels.clip_edges(present, truth.covered)
        true_segments = np.ascontiguousarray(cut[:, [0, 3]])
        long_enough, analysed_in = resolvable(true_segments, pts_us, interval_us)
        watched = spans.intersection(truth.covered, whole if analysed is None else analysed)
        return cls(
            media_id=media_id or name,
            name=name,
            site=site,
            night=night,
            pts_us=np.ascontiguousarray(pts_us, np.int64),
            scores=scores if callable(scores) else lambda _: scores,
            start_us=start_us,
            end_us=end_us,
            interval_us=interval_us,
            present=true_segments,
            counted=long_enough & analysed_in,
            covered=truth.covered,
            covered_us=spans.total_us(watched),
            after_gap=np.zeros(len(pts_us), bool) if after_gap is None else after_gap,
        )


def footage_of(runs: Sequence[Run], truth: Truth, label: str) -> list[Footage]:
    """One for each run that has samples, also where nothing was annotated."""
    names = media_names(runs)
    out = []
    for run in runs:
        media, series = run.media, run.series(label)
        if not len(series.pts_us):
            continue
        out.append(
            Footage.made(
                names[media["media_id"]],
                series.pts_us,
                partial(_scores, run, label),
                truth.of(media["media_id"], label) if truth else NOTHING,
                start_us=series.start_us,
                end_us=series.end_us,
                interval_us=series.interval_us,
                analysed=series.analysed,
                media_id=media["media_id"],
                site=media["site"],
                night=_night(media),
                after_gap=series.after_gap,
            )
        )
    return out


def _scores(run: Run, label: str, box_filter: BoxFilter) -> np.ndarray:
    rule = Rule(default=LabelRule(box_filter=box_filter))
    return run.series(label, rule).scores


def _night(media: dict) -> str | None:  # type: ignore[type-arg]
    """The local day on which the night began: noon to noon."""
    if media["start_utc"] is None:
        return None
    local = media["start_utc"] + timedelta(seconds=(media["utc_offset_s"] or 0) - 43_200)
    return f"{media['site'] or ''} {local:%Y-%m-%d}".strip()
