"""What networks put out, and how it becomes boxes and scores.

Forms: `dense`, Ultralytics' (b, 4 + classes + more, n); `yolov5`, that repository's
(b, n, 5 + classes). Both give centre and size in pixels of the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab.detection import Detections
from lab.detectors.yolo.letterbox import Letterbox, non_maximum_suppression
from lab.detectors.yolo.masks import rotated_suppression, tight_boxes, upright_boxes
from lab.detectors.yolo.suppression import NmsSettings


@dataclass(frozen=True)
class Raw:
    """A batch, before suppression.

    boxes: float32 (b, n, 4), pixels of the network's input: left, top, right, bottom; of rotated
        boxes centre and size. scores: float32 (b, n, classes).
    more: float32 (b, n, m): weights of the mask prototypes, or the angle (m = 1), or m = 0.
    prototypes: float32 (b, m, h, w) of segmentation models, else None.
    """

    boxes: np.ndarray
    scores: np.ndarray
    more: np.ndarray
    prototypes: np.ndarray | None = None

    @classmethod
    def stack(cls, parts: list[Raw]) -> Raw:
        def joined(name: str) -> np.ndarray:
            return np.concatenate([getattr(part, name) for part in parts])

        has_masks = parts[0].prototypes is not None
        return cls(joined("boxes"), joined("scores"), joined("more"),
                   joined("prototypes") if has_masks else None)  # fmt: skip


def from_rows(
    rows: np.ndarray,
    classes: int,
    task: str,
    prototypes: np.ndarray | None,
    *,
    corners: bool = False,
) -> Raw:
    """(b, n, 4 + classes + more) to boxes and scores. corners: the boxes are corners already."""
    boxes = rows[..., :4]
    if task != "obb" and not corners:
        centre, half = boxes[..., :2], boxes[..., 2:] / 2
        boxes = np.concatenate([centre - half, centre + half], axis=-1)
    return Raw(boxes, rows[..., 4 : 4 + classes], rows[..., 4 + classes :], prototypes)


def from_yolov5(rows: np.ndarray) -> Raw:
    """(b, n, 5 + classes): a score is the objectness times that of the class."""
    centre, half = rows[..., :2], rows[..., 2:4] / 2
    boxes = np.concatenate([centre - half, centre + half], axis=-1)
    return Raw(boxes, rows[..., 4:5] * rows[..., 5:], rows[..., :0])


@dataclass(frozen=True)
class Picture:
    """The raw output of one picture, and how its boxes are chosen and drawn."""

    task: str
    suppressed: bool
    boxes: np.ndarray
    more: np.ndarray
    prototypes: np.ndarray | None
    size_px: tuple[int, int]

    @classmethod
    def of(cls, raw: Raw, i: int, task: str, suppressed: bool, size_px: tuple[int, int]) -> Picture:
        """One picture of a batch. size_px: height and width of the network's input."""
        prototypes = None if raw.prototypes is None else raw.prototypes[i]
        return cls(task, suppressed, raw.boxes[i], raw.more[i], prototypes, size_px)

    def detections(
        self,
        labels: tuple[str, ...],
        scores: np.ndarray,
        keep: NmsSettings,
        box: Letterbox,
        width_px: int,
        height_px: int,
    ) -> Detections:
        """What is kept, in pixels of the picture. scores: (n, labels)."""
        found: list[str] = []
        kept_scores, kept_rows = [], []
        for column in np.flatnonzero((scores >= keep.score_floor).any(axis=0)):
            rows = np.flatnonzero(scores[:, column] >= keep.score_floor)
            best = self.best(rows, scores[rows, column], keep.nms_iou, keep.max_boxes)
            found += [labels[column]] * len(best)
            kept_scores.append(scores[rows[best], column])
            kept_rows.append(rows[best])
        if not found:
            return Detections()
        return Detections(
            found,
            np.clip(np.concatenate(kept_scores), 0, 1).astype(np.float32),
            box.back(self.upright(np.concatenate(kept_rows)), width_px, height_px),
        )

    def best(self, rows: np.ndarray, scores: np.ndarray, iou: float, most: int) -> np.ndarray:
        """Positions within `rows` (all of one class) that remain, best first."""
        if self.suppressed:
            return np.argsort(-scores)[:most]
        if self.task == "obb":
            rotated = np.concatenate([self.boxes[rows], self.more[rows, -1:]], axis=1)
            return rotated_suppression(rotated, scores, iou, most)
        return non_maximum_suppression(self.boxes[rows], scores, iou, most)

    def upright(self, rows: np.ndarray) -> np.ndarray:
        """Boxes (n, 4) xyxy of these rows, in pixels of the network's input."""
        if self.task == "obb":
            return upright_boxes(np.concatenate([self.boxes[rows], self.more[rows, -1:]], axis=1))
        if self.task == "segment" and self.prototypes is not None:
            # A box of two labels has one mask.
            once, places = np.unique(rows, return_inverse=True)
            tight = tight_boxes(self.boxes[once], self.more[once], self.prototypes, self.size_px)
            return tight[places]
        return self.boxes[rows]
