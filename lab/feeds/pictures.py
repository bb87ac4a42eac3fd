"""The picture of a sighting's peak, with and without its boxes, as JPEG."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lab.detection import scaled_boxes

_LINE = (0, 200, 255)
JPEG_QUALITY = 90


class PeakPictures:
    """The JPEGs of a peak, each made when it is first asked for, and once.

    image_of: gives uint8 BGR of shape (height, width, 3), or None where there is no picture (any
    more). box_xyxy_px: float32 of shape (n, 4), in a picture of size_px (width, height), whatever
    size this one has; confidence: of shape (n,).
    """

    def __init__(
        self,
        image_of: Callable[[], np.ndarray | None],
        label: str,
        box_xyxy_px: np.ndarray,
        confidence: np.ndarray,
        size_px: tuple[int, int],
    ) -> None:
        self._image_of: Callable[[], np.ndarray | None] | None = image_of
        self._label, self._box_xyxy_px, self._confidence = label, box_xyxy_px, confidence
        self._size_px = size_px
        self._image: np.ndarray | None = None
        self._made: dict[str, bytes | None] = {}

    def drawn(self) -> bytes | None:
        """With boxes and label on it."""
        return self._jpeg("drawn")

    def plain(self) -> bytes | None:
        """As it is."""
        return self._jpeg("plain")

    def _jpeg(self, name: str) -> bytes | None:
        if name not in self._made:
            if self._image_of is not None:
                self._image, self._image_of = self._image_of(), None
            image = self._image
            if image is not None and name == "drawn":
                boxes = scaled_boxes(self._box_xyxy_px, self._size_px, image.shape[1::-1])
                image = with_boxes(image, self._label, boxes, self._confidence)
            self._made[name] = None if image is None else jpeg(image)
            if len(self._made) == 2:
                self._image = None  # it is much larger than both
        return self._made[name]


def jpeg(image_bgr: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """image_bgr: uint8 of shape (height, width, 3)."""
    import cv2

    _, data = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def with_boxes(
    image_bgr: np.ndarray, label: str, box_xyxy_px: np.ndarray, confidence: np.ndarray
) -> np.ndarray:
    """A copy with each box (float32, shape (n, 4), pixels) and its confidence drawn on it."""
    from lab.video.drawing import draw_box

    drawn = image_bgr.copy()
    for box, score in zip(box_xyxy_px, confidence, strict=True):
        draw_box(drawn, box, f"{label} {score:.2f}", _LINE)
    return drawn
