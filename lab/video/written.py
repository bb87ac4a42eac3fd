"""Pictures with their times, written as an H.264 MP4."""

from __future__ import annotations

import os
import secrets
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import cv2
import numpy as np

from lab.errors import LabError, printable

if TYPE_CHECKING:
    import av

_TICK = Fraction(1, 90_000)
_LAST_US = 40_000  # how long the last picture is shown where it is the only one


class WrittenVideo:
    """An MP4 that lies under its name when it is whole, and not before; a context manager.

    Each picture keeps its time, counted from the first one. All have the size of the first: others
    are made to fit. Raises LabError where it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.count = 0
        self.first_us: int | None = None
        self.last_us: int | None = None
        self._part = self.path.parent / f".{secrets.token_hex(8)}.part"
        self._stream: Any = None
        self._container: Any = None
        self._waiting: tuple[np.ndarray, int] | None = None
        self._step_us = _LAST_US
        self._durations: dict[int, int] = {}  # of pictures that the encoder holds, by their times

    def __enter__(self) -> Self:
        import av

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(
                str(self._part), "w", format="mp4", options={"movflags": "faststart"}
            )
        except (OSError, av.FFmpegError) as error:
            raise self._unwritten(error) from None
        return self

    def add(self, image_bgr: np.ndarray, pts_us: int) -> None:
        """image_bgr: uint8, shape (height, width, 3). pts_us: after that of the picture before."""
        if self.first_us is None:
            self.first_us = pts_us
            self._begin(image_bgr)
        if self._waiting is not None:
            self._step_us = pts_us - self._waiting[1]
            self._encode(*self._waiting)
        self._waiting = (image_bgr, pts_us)
        self.last_us = pts_us
        self.count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self._waiting is not None:
                self._encode(*self._waiting)
                self._mux(None)
            self._container.close()
            if kind is None and self.count:
                os.replace(self._part, self.path)
        except OSError as problem:
            raise self._unwritten(problem) from None
        finally:
            self._part.unlink(missing_ok=True)

    def _begin(self, image_bgr: np.ndarray) -> None:
        height, width = image_bgr.shape[:2]
        stream = self._stream = self._container.add_stream("libx264", rate=30)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _TICK
        stream.options = {"preset": "veryfast", "crf": "20", "g": "60"}

    def _encode(self, image_bgr: np.ndarray, pts_us: int) -> None:
        """The picture, which is shown until the next; the last one as long as the one before."""
        import av

        picture = av.VideoFrame.from_ndarray(self._fitted(image_bgr), format="bgr24")
        picture.time_base = _TICK
        picture.pts = _ticks(pts_us - (self.first_us or 0))
        self._durations[picture.pts] = max(1, _ticks(self._step_us))
        self._mux(picture)

    def _mux(self, picture: av.VideoFrame | None) -> None:
        """What the encoder gives for it; for None, what it still holds."""
        import av

        try:
            for packet in self._stream.encode(picture):
                packet.duration = self._durations.pop(packet.pts)  # else that of the last is lost
                self._container.mux(packet)
        except (OSError, av.FFmpegError) as error:
            raise self._unwritten(error) from None

    def _fitted(self, image_bgr: np.ndarray) -> np.ndarray:
        """In the size of the video: 4:2:0 needs even sides, so the last row or column is doubled;
        a picture of another size is scaled, on black.
        """
        width, height = self._stream.width, self._stream.height
        own_height, own_width = image_bgr.shape[:2]
        if 0 <= width - own_width < 2 and 0 <= height - own_height < 2:
            around = ((0, height - own_height), (0, width - own_width), (0, 0))
            return np.pad(image_bgr, around, mode="edge")
        scale = min(width / own_width, height / own_height)
        size = (max(1, int(own_width * scale)), max(1, int(own_height * scale)))
        fitted = np.zeros((height, width, 3), np.uint8)
        left, top = (width - size[0]) // 2, (height - size[1]) // 2
        fitted[top : top + size[1], left : left + size[0]] = cv2.resize(image_bgr, size)
        return fitted

    def _unwritten(self, error: Exception) -> LabError:
        why = getattr(error, "strerror", None) or error
        return LabError(f"{printable(self.path)} cannot be written: {why}")


def _ticks(us: int) -> int:
    return round(us * 9 / 100)
