"""Sampling: which frames an analysis is given, and how many at a time.

Several analyses of one clip share one decode; each has its own sampling.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from lab.errors import SettingError
from lab.video.time_grid import TimeGrid, interval

_MAX_FRAMES = 1000
_MAX_S = 86_400
Window = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """When an analysis is called, and with which frames.

    frame_step: only frames whose index is a multiple of it are used.
    every_s: seconds between calls, on the time grid of `lab.video.time_grid.TimeGrid` over the
        frames that are used; 0 is a call at each of them.
    frame_count: how many frames a call is given: the one that the grid chose, and those used
        before it. The first call is made once there are that many.

    The names are those of Stream Infer (`load_algo`). Raises SettingError for values out of range.
    """

    every_s: float = 0.2
    frame_count: int = 1
    frame_step: int = 1

    def __post_init__(self) -> None:
        interval(self.every_s)
        if self.every_s > _MAX_S:
            raise SettingError(f"every_s must be at most a day ({_MAX_S}), got {self.every_s}")
        for name in ("frame_count", "frame_step"):
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, int)
                or not 1 <= value <= _MAX_FRAMES
            ):
                raise SettingError(
                    f"{name} must be a whole number from 1 to {_MAX_FRAMES}, got {value!r}"
                )

    @property
    def is_plain(self) -> bool:
        """Whether each sample of the grid is given by itself."""
        return self.frame_count == 1 and self.frame_step == 1

    @property
    def reach(self) -> int:
        """How many frames before the last one of a window its first one lies."""
        return (self.frame_count - 1) * self.frame_step

    def windows(
        self, pts: Iterable[int], time_base: Fraction, frame_ticks: Fraction | int | None = None
    ) -> list[Window]:
        """The frames of every call, by index, for frames at `pts` ticks in presentation order.

        frame_ticks: the usual distance of frames, if known; see `lab.video.time_grid.TimeGrid`.
        """
        sampler = WindowSampler(self, time_base, frame_ticks)
        found = (sampler.take(index, ticks) for index, ticks in enumerate(pts))
        return [window for window in found if window is not None]

    def to_dict(self) -> dict[str, float | int]:
        """What of it goes into a recipe beside `every_s`: only what is not plain."""
        given = {"frame_count": self.frame_count, "frame_step": self.frame_step}
        return {name: value for name, value in given.items() if value != 1}


EVERY_FRAME = Sampling(every_s=0)


class WindowSampler:
    """Decides for each frame, in presentation order, whether a call is due, and with what."""

    def __init__(
        self,
        sampling: Sampling,
        time_base: Fraction,
        frame_ticks: Fraction | int | None = None,
    ) -> None:
        self._sampling = sampling
        self._grid = TimeGrid(sampling.every_s, time_base, frame_ticks)
        self._last: deque[int] = deque(maxlen=sampling.frame_count)

    def take(self, index: int, pts: int) -> Window | None:
        """The indices of the window that ends in this frame; None if no call is due."""
        if index % self._sampling.frame_step:
            return None
        self._last.append(index)
        chosen = self._grid.takes(pts)
        full = len(self._last) == self._sampling.frame_count
        return tuple(self._last) if chosen and full else None
