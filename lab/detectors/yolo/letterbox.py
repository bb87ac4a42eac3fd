"""From a picture to a network's input, and from its output to boxes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_GREY = 114


@dataclass(frozen=True)
class Letterbox:
    """How a picture was scaled and padded. Units: pixels of the network's input."""

    scale: float
    left_px: int
    top_px: int
    width_px: int
    height_px: int

    @classmethod
    def fit(
        cls, width_px: int, height_px: int, size_px: tuple[int, int], stride: int | None
    ) -> Letterbox:
        """Fit a picture into (height, width) `size_px`, as Ultralytics' LetterBox does.

        stride: pad only to a multiple of it (dynamic models); None pads to the full size.
        """
        scale = min(size_px[0] / height_px, size_px[1] / width_px)
        new_width = max(1, round(width_px * scale))
        new_height = max(1, round(height_px * scale))
        pad_x, pad_y = size_px[1] - new_width, size_px[0] - new_height
        if stride is not None:
            pad_x, pad_y = pad_x % stride, pad_y % stride
        left, top = round(pad_x / 2 - 0.1), round(pad_y / 2 - 0.1)
        return cls(scale, left, top, new_width + pad_x, new_height + pad_y)

    def apply(self, image_bgr: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) BGR to float32 (3, height, width) RGB in [0, 1]."""
        height, width = image_bgr.shape[:2]
        new_width, new_height = (
            max(1, round(width * self.scale)),
            max(1, round(height * self.scale)),
        )
        if (new_width, new_height) != (width, height):
            image_bgr = cv2.resize(image_bgr, (new_width, new_height))
        image_bgr = cv2.copyMakeBorder(
            image_bgr,
            self.top_px,
            self.height_px - new_height - self.top_px,
            self.left_px,
            self.width_px - new_width - self.left_px,
            cv2.BORDER_CONSTANT,
            value=(_GREY, _GREY, _GREY),
        )
        # Divided, not multiplied by 1/255: the same rounding as the reference. By planes, since
        # that takes a third of the time.
        rgb = np.empty((3, *image_bgr.shape[:2]), np.float32)
        for plane, out in zip(cv2.split(image_bgr), rgb[::-1], strict=True):
            np.divide(plane, np.float32(255), out=out, dtype=np.float32)
        return rgb

    def back(self, box_xyxy_px: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
        """Boxes of the input, shape (n, 4), in pixels of the picture and inside it."""
        shift = np.array([self.left_px, self.top_px] * 2, np.float32)
        boxes = (box_xyxy_px - shift) / np.float32(self.scale)
        limit = np.array([width_px, height_px] * 2, np.float32)
        return np.clip(boxes, 0, limit).astype(np.float32)


def non_maximum_suppression(
    box_xyxy_px: np.ndarray, scores: np.ndarray, iou: float, max_boxes: int
) -> np.ndarray:
    """Positions of the boxes of one class that remain, best first.

    box_xyxy_px: float32 (n, 4). scores: float32 (n,).
    iou: overlap above which the weaker box is removed.
    max_boxes: how many are kept at most.
    """
    if len(scores) == 0:
        return np.zeros(0, np.int64)
    xywh = box_xyxy_px.astype(np.float64)
    xywh[:, 2:] -= xywh[:, :2]
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.0, iou)
    return np.asarray(kept, np.int64).reshape(-1)[:max_boxes]
