"""The outputs of networks, and how they become boxes and scores.

Forms: `dense`, Ultralytics' (b, 4 + classes + more, n); `yolov5`, that repository's
(b, n, 5 + classes). Both give centre and size in pixels of the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab.detection import Detections
from lab.detectors.yolo.letterbox import Letterbox
from lab.detectors.yolo.masks import rotated_suppression, tight_boxes, upright_boxes
from lab.detectors.yolo.suppression import Best, Found, NmsSettings


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
        """One batch of several."""
        prototypes = [p.prototypes for p in parts if p.prototypes is not None]
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.more for part in parts]),
            np.concatenate(prototypes) if prototypes else None,
        )


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
        """The detections that are kept, in pixels of the picture. scores: (n, labels)."""
        kept = list(keep.kept(scores, self.best(keep)))
        if not kept:
            return Detections()
        # Together, since a mask is drawn once for all labels of its box.
        boxes = self.upright(np.concatenate([rows for _, rows in kept]))
        found = Found.nothing()
        start = 0
        for column, rows in kept:
            found.add(labels[column], boxes[start : start + len(rows)], scores[rows, column])
            start += len(rows)
        return found.detections(box, width_px, height_px)

    def best(self, keep: NmsSettings) -> Best:
        """What tells which rows of one label remain; see `NmsSettings.kept`."""
        if self.suppressed:
            return lambda rows, scores: np.argsort(-scores)[: keep.max_boxes]
        if self.task != "obb":
            return keep.upright_best(self.boxes)
        rotated = np.concatenate([self.boxes, self.more[:, -1:]], axis=1)
        return lambda rows, scores: rotated_suppression(
            rotated[rows], scores, keep.nms_iou, keep.max_boxes
        )

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
