"""The seconds between the samples of a score log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def sampling_interval_s(recipe: Mapping[str, Any], pts_us: np.ndarray) -> float:
    """The interval by which a rule in seconds is turned into counts of samples.

    recipe: of the run. pts_us: int64, shape (n,), the times of all its samples.

    Returns `every_s` of the recipe; the median distance of the samples where every frame was one;
    their mean distance where each sample was a window of frames; 1 if there is nothing to tell by.
    """
    every_s = float(recipe["every_s"])
    if recipe.get("frame_count", 1) > 1 and len(pts_us) > 1:
        return int(pts_us[-1] - pts_us[0]) / 1e6 / (len(pts_us) - 1)
    if every_s > 0 or len(pts_us) < 2:
        return every_s or 1.0
    return float(np.median(np.diff(pts_us)) / 1e6)
