"""One picture of a source, with its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class FrameStamp:
    """A frame without its picture: all that a score log keeps of it. Fields as in `Frame`."""

    index: int
    pts_us: int
    wall_time: float
    error: str | None = None
    camera_time: float | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame that the sampler chose.

    image_bgr: uint8, shape (height, width, 3), BGR, upright (rotation metadata applied); None if
        the frame could not be decoded.
    index: 0-based position among the presented frames of the source.
    pts_us: presentation time in the media, integer microseconds.
    wall_time: Unix seconds at which it was received; recorded, never decides anything.
    error: why there is no picture; None if there is one.
    camera_time: Unix seconds at which it was taken by the camera's own clock, where the source
        tells it; recorded, too, and decides nothing.
    """

    image_bgr: np.ndarray | None
    index: int
    pts_us: int
    wall_time: float
    error: str | None = None
    camera_time: float | None = None

    def __post_init__(self) -> None:
        if (self.image_bgr is None) == (self.error is None):
            raise ValueError("a frame has either an image_bgr or an error, got both or neither")
        if self.image_bgr is not None and (
            self.image_bgr.ndim != 3 or self.image_bgr.shape[2] != 3
        ):
            raise ValueError(
                f"image_bgr must have shape (height, width, 3), got {self.image_bgr.shape}"
            )
        if self.index < 0:
            raise ValueError(f"index must be 0 or more, got {self.index}")

    @property
    def stamp(self) -> FrameStamp:
        return FrameStamp(self.index, self.pts_us, self.wall_time, self.error, self.camera_time)

    @property
    def pts_s(self) -> float:
        return self.pts_us / 1e6
