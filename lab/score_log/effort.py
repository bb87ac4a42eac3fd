"""Effort: how much was analysed, the denominator of every rate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lab.score_log import spans

_GAP_INTERVALS = 5
_GAP_MIN_US = 1_000_000


def gap_limit_us(interval_us: int) -> int:
    """Samples that are further apart have a gap between them: 5 intervals, and 1 s at least."""
    return max(_GAP_INTERVALS * interval_us, _GAP_MIN_US)


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Effort of a run. `analysed_s` is the media time that ok samples represent.

    A sample represents the time to the next one (the last a typical interval, up to the
    media's end). Where the next comes more than 5 typical intervals and 1 s later, the time
    beyond one interval is a gap. The time of failed and gated samples and gaps are not analysed.
    """

    samples: int
    ok: int
    failed: int
    gated: int
    gaps: int
    gap_s: float
    failed_s: float
    gated_s: float
    analysed_s: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _represented(pts_us: np.ndarray, end_us: int, every_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds that each sample represents, and the gap after it."""
    steps = np.diff(pts_us)
    typical = max(round(every_s * 1e6), int(np.median(steps)) if len(pts_us) > 1 else 0)
    to_end = max(0, end_us - int(pts_us[-1]))
    represented = np.append(steps, min(typical, to_end) if typical else to_end)
    gap = np.where(represented > gap_limit_us(typical), represented - typical, 0)
    return represented - gap, gap


def analysed_spans(pts_us: np.ndarray, ok: np.ndarray, end_us: int, every_s: float) -> np.ndarray:
    """The stretches that ok samples represent: int64 (k, 2) in microseconds, disjoint."""
    if not len(pts_us):
        return spans.NONE
    represented, _ = _represented(pts_us, end_us, every_s)
    return spans.union(np.stack([pts_us[ok], pts_us[ok] + represented[ok]], axis=1))


def effort_of(
    pts_us: np.ndarray, ok: np.ndarray, end_us: int, every_s: float, gated: np.ndarray | None = None
) -> Effort:
    """The effort of a run.

    pts_us: int64 (n,), the times of all samples. ok, gated: bool (n,). end_us: the media's end.
    every_s: the sampling interval.
    """
    n = len(pts_us)
    is_gated = np.zeros(n, bool) if gated is None else gated & ~ok
    if n == 0:
        return Effort(
            samples=0,
            ok=0,
            failed=0,
            gated=0,
            gaps=0,
            gap_s=0.0,
            failed_s=0.0,
            gated_s=0.0,
            analysed_s=0.0,
        )
    represented, gap = _represented(pts_us, end_us, every_s)
    return Effort(
        samples=n,
        ok=int(ok.sum()),
        failed=int((~ok & ~is_gated).sum()),
        gated=int(is_gated.sum()),
        gaps=int((gap > 0).sum()),
        gap_s=float(gap.sum() / 1e6),
        failed_s=float(represented[~ok & ~is_gated].sum() / 1e6),
        gated_s=float(represented[is_gated].sum() / 1e6),
        analysed_s=float(represented[ok].sum() / 1e6),
    )
