"""What a detector saw on one frame, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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
    error: why the detector could not look at the frame; such a frame is failed, which is not
        the same as a frame without detections.

    Raises ValueError if the columns disagree in length, shape or range.
    """

    labels: Sequence[str] = ()
    confidence: np.ndarray = field(default_factory=_no_confidence)
    box_xyxy_px: np.ndarray = field(default_factory=_no_boxes)
    error: str | None = None

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
        if self.error is not None and n:
            raise ValueError("a failed frame has no detections")

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def failed(cls, reason: str) -> Detections:
        """The result for a frame at which the detector could not look."""
        return cls(error=reason)
