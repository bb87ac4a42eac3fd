"""What is made of the frames of a live source: the same while it is live and from its recording."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from lab.errors import SettingError

if TYPE_CHECKING:
    import av

_FINGERPRINT_STEP = 8
_KNOWN_PICTURES = 32
_LEAST_HEIGHT = 16


def live_picture(frame: av.VideoFrame, max_height: int | None, rotation_deg: int) -> np.ndarray:
    """uint8, shape (height, width, 3), BGR, upright.

    max_height: a higher picture is made smaller, in its proportions. rotation_deg: by which it is
    turned to be upright, as of `av.VideoFrame.rotation`.
    """
    turns = round(rotation_deg / 90) % 4
    if max_height is not None:
        frame = _smaller(frame, max_height, is_on_its_side=turns % 2 == 1)
    image: np.ndarray = frame.to_ndarray(format="bgr24")
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _smaller(frame: av.VideoFrame, max_height: int, *, is_on_its_side: bool) -> av.VideoFrame:
    height = frame.width if is_on_its_side else frame.height
    if height <= max_height:
        return frame
    width = max(2, round(frame.width * max_height / height / 2) * 2)
    lines = max(2, round(frame.height * max_height / height / 2) * 2)
    return frame.reformat(width=width, height=lines, format="bgr24", interpolation="AREA")


def checked_height(max_height: int | None) -> int | None:
    """Raises SettingError for what is no height of a picture."""
    if max_height is None:
        return None
    is_whole = isinstance(max_height, int) and not isinstance(max_height, bool)
    if not is_whole or max_height < _LEAST_HEIGHT:
        raise SettingError(
            f"max_height must be a whole number of pixels, {_LEAST_HEIGHT} or more, "
            f"got {max_height!r:.80}"
        )
    return max_height


class Freshness:
    """Tells how long a stream has shown nothing new.

    A stuck camera shows one picture. Where an encoder stands behind it, that picture differs by a
    little with its place between keyframes, in the same way again and again: a picture is new
    that is not among the last few different ones, bit for bit, on every eighth line.
    """

    def __init__(self, now: float) -> None:
        self._known: OrderedDict[int, None] = OrderedDict()
        self._since = self._seen = now

    def see(self, frame: av.VideoFrame, now: float) -> None:
        plane = frame.planes[0]
        lines = np.frombuffer(memoryview(plane), np.uint8)[: plane.height * plane.line_size]
        some = lines.reshape(plane.height, plane.line_size)[::_FINGERPRINT_STEP, : plane.width]
        picture = zlib.crc32(np.ascontiguousarray(some).data)
        self._seen = now
        if picture not in self._known:
            self._since = now
        self._known[picture] = None
        self._known.move_to_end(picture)
        if len(self._known) > _KNOWN_PICTURES:
            self._known.popitem(last=False)

    def same_s(self) -> float:
        """Seconds from the last picture that was new to the last one."""
        return self._seen - self._since
