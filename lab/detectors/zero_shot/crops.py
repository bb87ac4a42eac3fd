"""Parts of a picture around another detector's boxes."""

from __future__ import annotations

import numpy as np

from lab.detection import Detections


def crop_boxes(
    found: Detections,
    width_px: int,
    height_px: int,
    *,
    threshold: float,
    max_crops: int,
    margin: float,
) -> np.ndarray:
    """Where to cut: int64, shape (n, 4), xyxy in pixels, inside the picture, 1 px or more a side.

    The best boxes at or above `threshold`, at most `max_crops`, best first; each is made larger
    about its centre by the fraction `margin` of its width and of its height.
    """
    order = np.argsort(-found.confidence, kind="stable")
    order = order[found.confidence[order] >= threshold][:max_crops]
    boxes = found.box_xyxy_px[order].astype(np.float64)
    grow = (boxes[:, 2:] - boxes[:, :2]) * (margin / 2)
    corners = np.concatenate([np.floor(boxes[:, :2] - grow), np.ceil(boxes[:, 2:] + grow)], axis=1)
    size = np.array([width_px, height_px])
    low = np.clip(corners[:, :2], 0, size - 1)
    high = np.clip(corners[:, 2:], low + 1, size)
    return np.concatenate([low, high], axis=1).astype(np.int64)
