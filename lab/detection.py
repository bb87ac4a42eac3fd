"""The detections of one frame, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np


def _no_confidence() -> np.ndarray:
    return np.zeros(0, np.float32)


def _no_boxes() -> np.ndarray:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True, eq=False)
class Detections:
    """The boxes of one frame; row i of each column is one detection.

    labels: n class names or prompts.
    confidence: float32, shape (n,), in [0, 1].
    box_xyxy_px: float32, shape (n, 4), left, top, right, bottom in pixels of the frame.
    text: n texts that were read in the boxes (None where nothing was read); None for detectors
        that read no text.
    error: why the detector could not analyse the frame; such a frame is failed, which is not
        the same as a frame without detections.
    gated: why the frame was kept from the detector on purpose (nothing moved, warming up).

    Raises ValueError if the columns disagree in length, shape or range.
    """

    labels: Sequence[str] = ()
    confidence: np.ndarray = field(default_factory=_no_confidence)
    box_xyxy_px: np.ndarray = field(default_factory=_no_boxes)
    text: Sequence[str | None] | None = None
    error: str | None = None
    gated: str | None = None

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.confidence.shape != (n,):
            raise ValueError(f"confidence must have shape ({n},), got {self.confidence.shape}")
        if self.box_xyxy_px.shape != (n, 4):
            raise ValueError(f"box_xyxy_px must have shape ({n}, 4), got {self.box_xyxy_px.shape}")
        if n and not (
            np.isfinite(self.box_xyxy_px).all()
            and (self.confidence >= 0).all()
            and (self.confidence <= 1).all()
        ):
            raise ValueError("confidence must be in [0, 1] and boxes finite")
        if self.text is not None and len(self.text) != n:
            raise ValueError(f"text must have {n} entries, got {len(self.text)}")
        if (self.error is not None or self.gated is not None) and n:
            raise ValueError("a frame that failed or was gated has no detections")

    def __len__(self) -> int:
        return len(self.labels)

    def scaled(self, from_px: Sequence[int], to_px: Sequence[int]) -> Detections:
        """The same boxes in a picture of another width and height."""
        if not len(self) or tuple(from_px) == tuple(to_px):
            return self
        return replace(self, box_xyxy_px=scaled_boxes(self.box_xyxy_px, from_px, to_px))

    @classmethod
    def failed(cls, reason: str) -> Detections:
        """The result for a frame that could not be analysed."""
        return cls(error=reason)

    @classmethod
    def held_back(cls, reason: str) -> Detections:
        """The result for a frame that was gated: not analysed, on purpose."""
        return cls(gated=reason)


def scaled_boxes(
    box_xyxy_px: np.ndarray, from_px: Sequence[int], to_px: Sequence[int]
) -> np.ndarray:
    """Boxes, float32 (n, 4), in a picture of another width and height."""
    if tuple(from_px) == tuple(to_px):
        return box_xyxy_px
    factors = np.array([to_px[0] / from_px[0], to_px[1] / from_px[1]] * 2)
    return (box_xyxy_px * factors).astype(np.float32)
