"""Whether two pictures show the same thing at the same place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lab.sinks.event import Box

_SIDE = 16
_SAME_PLACE = 0.8  # intersection over union
_SAME_LOOK = 6.0  # grey levels, on average


def small_picture(image_bgr: np.ndarray, boxes: Sequence[Box] = ()) -> np.ndarray:
    """What is in the boxes, as grey levels of shape (16, 16); without boxes the whole picture.

    boxes: as fractions of the picture.
    """
    import cv2

    height, width = image_bgr.shape[:2]
    left, top, right, bottom = 0, 0, width, height
    if boxes:
        left = max(0, int(min(box[0] for box in boxes) * width))
        top = max(0, int(min(box[1] for box in boxes) * height))
        right = max(left + 1, round(max(box[2] for box in boxes) * width))
        bottom = max(top + 1, round(max(box[3] for box in boxes) * height))
    part = np.ascontiguousarray(image_bgr[top:bottom, left:right])
    if not part.size:
        part = image_bgr
    grey = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)


def are_alike(
    one: np.ndarray, boxes: Sequence[Box], other: np.ndarray, other_boxes: Sequence[Box]
) -> bool:
    """Two small pictures with the boxes that they were made of."""
    if len(boxes) != len(other_boxes):
        return False
    pairs = zip(sorted(boxes), sorted(other_boxes))
    is_there = all(_overlap(*pair) >= _SAME_PLACE for pair in pairs)
    return is_there and float(np.abs(one.astype(int) - other.astype(int)).mean()) < _SAME_LOOK


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)
