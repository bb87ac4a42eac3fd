"""What was analysed: the denominator of every rate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lab.score_log import spans

_GAP_INTERVALS = 5
_GAP_MIN_US = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Effort of a run. `analysed_s` is media time that ok samples stand for.

    A sample stands for the time to the next one (the last for a typical interval, up to the
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


def _stood_for(pts_us: np.ndarray, end_us: int, every_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds that each sample stands for, and the gap after it."""
    steps = np.diff(pts_us)
    typical = max(round(every_s * 1e6), int(np.median(steps)) if len(pts_us) > 1 else 0)
    to_end = max(0, end_us - int(pts_us[-1]))
    held = np.append(steps, min(typical, to_end) if typical else to_end)
    limit = max(_GAP_INTERVALS * typical, _GAP_MIN_US)
    gap = np.where(held > limit, held - typical, 0)
    return held - gap, gap


def analysed_spans(pts_us: np.ndarray, ok: np.ndarray, end_us: int, every_s: float) -> np.ndarray:
    """The stretches that ok samples stand for: int64 (k, 2) in microseconds, disjoint."""
    if not len(pts_us):
        return spans.NONE
    kept, _ = _stood_for(pts_us, end_us, every_s)
    return spans.union(np.stack([pts_us[ok], pts_us[ok] + kept[ok]], axis=1))


def effort_of(
    pts_us: np.ndarray, ok: np.ndarray, end_us: int, every_s: float, gated: np.ndarray | None = None
) -> Effort:
    """pts_us: int64 (n,), all samples. ok, gated: bool (n,). end_us: where the media ends."""
    n = len(pts_us)
    held = np.zeros(n, bool) if gated is None else gated & ~ok
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
    kept, gap = _stood_for(pts_us, end_us, every_s)
    return Effort(
        samples=n,
        ok=int(ok.sum()),
        failed=int((~ok & ~held).sum()),
        gated=int(held.sum()),
        gaps=int((gap > 0).sum()),
        gap_s=float(gap.sum() / 1e6),
        failed_s=float(kept[~ok & ~held].sum() / 1e6),
        gated_s=float(kept[held].sum() / 1e6),
        analysed_s=float(kept[ok].sum() / 1e6),
    )
