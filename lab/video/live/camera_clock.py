"""What a camera's own clock says of each frame, from the moments at which it says something new.

The log and the recording have the same times, since both are made of the same few moments.
"""

from __future__ import annotations

_MAX_DRIFT_S = 0.02


class CameraClock:
    """The difference between the camera's clock and media time. It counts within one epoch of
    media time, in which frames are given in order.
    """

    def __init__(self) -> None:
        self._offset_s: float | None = None

    def begin(self) -> None:
        """An epoch begins: nothing is known of it yet."""
        self._offset_s = None

    def see(self, pts_us: int, camera_time: float) -> bool:
        """Whether it says something new, more than 20 ms from what was known; only that is used.

        pts_us: media time of a frame. camera_time: Unix seconds by the camera's clock.
        """
        offset_s = camera_time - pts_us / 1e6
        if self._offset_s is not None and abs(offset_s - self._offset_s) <= _MAX_DRIFT_S:
            return False
        self._offset_s = offset_s
        return True

    def at(self, pts_us: int) -> float | None:
        """Unix seconds by the camera's clock; None while it has said nothing."""
        return None if self._offset_s is None else round(pts_us / 1e6 + self._offset_s, 6)
