"""The time grid: which frames are samples. Exact rational arithmetic, no floats."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from lab.errors import SettingError


def interval(every_s: float) -> Fraction:
    """`every_s` as the user wrote it (0.1 is one tenth), 0 for every frame.

    Raises SettingError if it is negative or not a number.
    """
    try:
        if isinstance(every_s, bool | str):
            raise ValueError
        every = Fraction(str(every_s))
    except (ValueError, ZeroDivisionError):
        raise SettingError(
            f"every_s must be a number of seconds, 0 or more, got {every_s!r}"
        ) from None
    if every < 0:
        raise SettingError(f"every_s must be 0 or more seconds (0 is every frame), got {every_s}")
    return every


class TimeGrid:
    """Decides for each frame in turn whether it is a sample.

    Grid points are first_pts + k * every_s, where first_pts is that of the first presented
    frame. A point takes the first frame at or after it. A frame that is early by at most
    max(1 ms, one tick), and by at most half the distance of frames, satisfies it too: times are
    rounded to ticks. A frame is sampled at most once, however many points it satisfies.

    every_s: seconds; 0 samples every frame.
    time_base: seconds a tick.
    frame_ticks: the usual distance of frames in ticks; None or 0 where it is not known. In an
        AVI a tick is a whole frame, so that without it a frame too early would be taken.
    """

    def __init__(
        self, every_s: float, time_base: Fraction, frame_ticks: Fraction | int | None = None
    ) -> None:
        every = interval(every_s)
        early = max(Fraction(1, 1000), time_base)
        if frame_ticks:
            early = min(early, Fraction(frame_ticks) * time_base / 2)
        # All in units of 1 / (the common denominator) seconds, so that integers suffice.
        unit = every.denominator * time_base.denominator * early.denominator
        self._tick = int(time_base * unit)
        self._every = int(every * unit)
        self._early = int(early * unit)
        self._first: int | None = None
        self._satisfied = -1

    def takes(self, pts: int) -> bool:
        """Whether the frame at `pts` ticks, the next in presentation order, is a sample."""
        if self._first is None:
            self._first = pts
        if self._every == 0:
            return True
        reached = ((pts - self._first) * self._tick + self._early) // self._every
        if reached <= self._satisfied:
            return False
        self._satisfied = reached
        return True


def choose(
    pts: Iterable[int],
    every_s: float,
    time_base: Fraction,
    frame_ticks: Fraction | int | None = None,
) -> list[int]:
    """Positions of the samples among frames at `pts` ticks, in presentation order."""
    grid = TimeGrid(every_s, time_base, frame_ticks)
    return [i for i, ticks in enumerate(pts) if grid.takes(ticks)]


def to_us(pts: int, time_base: Fraction) -> int:
    """Ticks in integer microseconds, nearest, halves away from zero (as FFmpeg rescales)."""
    numerator = pts * time_base.numerator * 1_000_000 * 2 + time_base.denominator
    if pts < 0:
        return -to_us(-pts, time_base)
    return numerator // (2 * time_base.denominator)
