"""From a network's dense output to detections: the score floor, and suppression by label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lab.detection import Detections
from lab.detectors.settings import number
from lab.detectors.yolo.letterbox import Letterbox, non_maximum_suppression
from lab.errors import SettingError
from lab.frame import Frame

STRIDE = 32
Best = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class NmsSettings:
    """What is kept of a dense output. nms_iou and max_boxes apply to each label by itself."""

    score_floor: float
    nms_iou: float
    max_boxes: int

    def kept(self, scores: np.ndarray, best: Best) -> Iterator[tuple[int, np.ndarray]]:
        """Each label (column) with a score at or above the floor, and its rows that remain.

        scores: (n, labels). best: of the rows of one label and their scores, the positions that
        remain, best first, such as `upright_best` gives them.
        """
        for column in np.flatnonzero((scores >= self.score_floor).any(axis=0)).tolist():
            rows = np.flatnonzero(scores[:, column] >= self.score_floor)
            yield column, rows[best(rows, scores[rows, column])]

    def upright_best(self, boxes: np.ndarray) -> Best:
        """Non-maximum suppression of upright boxes, (n, 4) xyxy."""
        return lambda rows, scores: non_maximum_suppression(
            boxes[rows], scores, self.nms_iou, self.max_boxes
        )


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
    """Detections of one frame, label after label, in pixels of the network's input."""

    labels: list[str]
    boxes: list[np.ndarray]
    scores: list[np.ndarray]

    @classmethod
    def nothing(cls) -> Found:
        return cls([], [], [])

    def add(self, label: str, boxes: np.ndarray, scores: np.ndarray) -> None:
        """Detections of one label: boxes (n, 4) xyxy, scores (n,)."""
        self.labels += [label] * len(scores)
        self.boxes.append(boxes)
        self.scores.append(scores)

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
