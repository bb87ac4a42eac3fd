"""From a network's dense output to detections: floor, and suppression label by label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.detection import Detections
from lab.detectors.settings import number
from lab.detectors.yolo.letterbox import Letterbox, non_maximum_suppression
from lab.errors import SettingError
from lab.frame import Frame

STRIDE = 32


@dataclass(frozen=True)
class NmsSettings:
    """What is kept of a dense output. nms_iou, max_boxes: of each label by itself."""

    score_floor: float
    nms_iou: float
    max_boxes: int

    def of_label(
        self, boxes: np.ndarray, scores: np.ndarray, *, suppress: bool = True
    ) -> np.ndarray:
        """Positions of one label's detections, best first. boxes: (n, 4) xyxy. scores: (n,)."""
        rows = np.flatnonzero(scores >= self.score_floor)
        if not suppress:
            return rows[np.argsort(-scores[rows])[: self.max_boxes]]
        return rows[
            non_maximum_suppression(boxes[rows], scores[rows], self.nms_iou, self.max_boxes)
        ]


def nms_settings(
    image_size: int, score_floor: float, nms_iou: float, most_boxes: int
) -> NmsSettings:
    """The settings that YOLO detectors share. Raises SettingError if one is out of range."""
    number("nms_iou", nms_iou, 1e-6, 1)
    if not isinstance(image_size, int) or not 32 <= image_size <= 4096 or image_size % STRIDE:
        raise SettingError(f"image_size must be a multiple of 32 from 32 to 4096, got {image_size}")
    if not isinstance(most_boxes, int) or most_boxes < 1:
        raise SettingError(f"most_boxes must be a whole number, 1 or more, got {most_boxes!r}")
    return NmsSettings(score_floor, nms_iou, most_boxes)


@dataclass
class Found:
    """Detections of one frame as they come, label after label, in pixels of the input."""

    labels: list[str]
    boxes: list[np.ndarray]
    scores: list[np.ndarray]

    @classmethod
    def nothing(cls) -> Found:
        return cls([], [], [])

    def add(self, label: str, boxes: np.ndarray, scores: np.ndarray, rows: np.ndarray) -> None:
        self.labels += [label] * len(rows)
        self.boxes.append(boxes[rows])
        self.scores.append(scores[rows])

    def detections(self, box: Letterbox, width_px: int, height_px: int) -> Detections:
        """In pixels of the picture."""
        if not self.labels:
            return Detections()
        confidence = np.clip(np.concatenate(self.scores), 0, 1).astype(np.float32)
        return Detections(
            self.labels, confidence, box.back(np.concatenate(self.boxes), width_px, height_px)
        )


def one_shape(frames: Sequence[Frame]) -> tuple[int, int]:
    """Height and width of a batch's pictures. Raises ValueError if they differ or are missing."""
    images = [frame.image_bgr for frame in frames]
    shapes = {image.shape for image in images if image is not None}
    if len(shapes) != 1 or any(image is None for image in images):
        raise ValueError(f"a batch holds pictures of one shape, got {sorted(shapes)}")
    height, width = shapes.pop()[:2]
    return height, width
