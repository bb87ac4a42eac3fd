"""The box of a sighting at its peak, out of its run's log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab.score_log.score_log import ScoreLog

Box = tuple[float, float, float, float]


def peak_box(
    sighting: Mapping[str, Any], log: ScoreLog, width_px: int, height_px: int
) -> Box | None:
    """x, y, width and height as fractions of the picture, from its top left; None where the log
    has no such box, or it lies outside of the picture.

    sighting: with label, peak_us and peak_confidence.
    """
    at = int(np.searchsorted(log.pts_us, sighting["peak_us"]))
    if at >= len(log.pts_us) or log.pts_us[at] != sighting["peak_us"]:
        return None
    rows = log.rows_between(at, at + 1)
    if sighting["label"] not in log.labels:
        return None
    rows = rows[log.label[rows] == log.labels.index(sighting["label"])]
    if not len(rows):
        return None
    away = np.abs(log.confidence[rows] - sighting["peak_confidence"])
    x1, y1, x2, y2 = log.box_xyxy_px[rows[int(away.argmin())]].tolist()
    left, right = (round(min(max(x / width_px, 0.0), 1.0), 6) for x in (x1, x2))
    top, bottom = (round(min(max(y / height_px, 0.0), 1.0), 6) for y in (y1, y2))
    if right <= left or bottom <= top:
        return None
    return left, top, round(right - left, 6), round(bottom - top, 6)
