"""From a network's dense answer to detections: floor, and suppression label by label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.detection import Detections
from lab.detectors.yolo.letterbox import Letterbox, non_maximum_suppression


@dataclass(frozen=True)
class NmsSettings:
    """What is kept of a dense answer. floor: weaker scores are not. iou, most: per label."""

    floor: float
    iou: float
    most: int

    def of_label(
        self, boxes: np.ndarray, scores: np.ndarray, *, suppress: bool = True
    ) -> np.ndarray:
        """Positions of one label's detections, best first. boxes: (n, 4) xyxy. scores: (n,)."""
        rows = np.flatnonzero(scores >= self.floor)
        if not suppress:
            return rows[np.argsort(-scores[rows])[: self.most]]
        return rows[non_maximum_suppression(boxes[rows], scores[rows], self.iou, self.most)]


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


def one_shape(frames: Sequence[object]) -> tuple[int, int]:
    """Height and width of a batch's pictures. Raises ValueError if they differ or are missing."""
    images = [frame.image_bgr for frame in frames]  # type: ignore[attr-defined]
    shapes = {image.shape for image in images if image is not None}
    if len(shapes) != 1 or any(image is None for image in images):
        raise ValueError(f"a batch holds pictures of one shape, got {sorted(shapes)}")
    height, width = shapes.pop()[:2]
    return height, width
