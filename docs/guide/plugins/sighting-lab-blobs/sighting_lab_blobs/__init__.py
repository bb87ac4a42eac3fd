"""Bright blobs, by a threshold on brightness."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lab.detection import Detections
from lab.errors import SettingError
from lab.frame import Frame


class Blobs:
    """Patches that are at least `min_brightness` bright (1 to 255).

    min_area_share: the smallest blob, as a share of the picture.

    The confidence of a blob is its mean brightness, 0 for black and 1 for white.
    """

    labels = ("bright",)
    default_threshold = 0.8

    def __init__(self, *, min_brightness: int = 200, min_area_share: float = 0.002) -> None:
        if not 1 <= min_brightness <= 255:
            raise SettingError(f"min_brightness must be 1 to 255, got {min_brightness}")
        if not 0 <= min_area_share <= 1:
            raise SettingError(f"min_area_share must be in [0, 1], got {min_area_share}")
        self._min_brightness, self._min_area_share = min_brightness, min_area_share

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One result per frame. `image_bgr`: uint8, shape (height, width, 3), BGR."""
        return [self._look(frame.image_bgr) for frame in frames]

    def _look(self, image_bgr: np.ndarray) -> Detections:
        grey = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY)
        bright = (grey >= self._min_brightness).astype(np.uint8)
        count, numbers, stats, _ = cv2.connectedComponentsWithStats(bright)
        smallest_px = max(1, self._min_area_share * grey.size)
        brightness = np.bincount(numbers.ravel(), weights=grey.ravel(), minlength=count)
        confidence, boxes = [], []
        for blob in range(1, count):  # number 0 is the background
            left, top, width, height, area_px = stats[blob]
            if area_px >= smallest_px:
                confidence.append(brightness[blob] / area_px / 255)
                boxes.append([left, top, left + width, top + height])
        return Detections(
            ["bright"] * len(boxes),
            np.array(confidence, np.float32),
            np.array(boxes, np.float32).reshape(-1, 4),
        )
