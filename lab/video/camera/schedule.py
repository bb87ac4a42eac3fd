"""Which frames of a media leave, and when: the media's own clock, over any number of loops.

Everything is counted in whole ticks, so that 30000/1001 frames a second stay that after a year.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise, takewhile
from typing import NamedTuple

# A rate that somebody rounded, such as 29.97 for 30000/1001, is the media's own.
_SAME_RATE = Fraction(999, 1000)
# Of the rate at which frames come where they are closest; times are rounded.
_BURST = Fraction(9, 10)


class Departure(NamedTuple):
    """A frame that is to leave. frame_index: its position in the media. due_s: seconds after the
    beginning, over all loops.
    """

    frame_index: int
    loop_index: int
    due_s: float


class Schedule:
    """The departures of a media.

    times: ticks of every frame, rising. last_ticks: how long the last frame stands. time_base:
    seconds a tick. fps: frames a second at most; more than the media has changes nothing, fewer
    leave frames out and keep the pace.
    """

    def __init__(
        self,
        times: Sequence[int],
        last_ticks: int,
        time_base: Fraction,
        fps: Fraction | None = None,
    ) -> None:
        if not times or last_ticks < 1:
            raise ValueError(f"needs times, and last_ticks of at least 1, got {last_ticks = }")
        self._times = [ticks - times[0] for ticks in times]
        self._length = self._times[-1] + last_ticks
        self._time_base = time_base
        media_rate = len(times) / (self._length * time_base)
        self.rate: Fraction = min(media_rate, fps or media_rate)
        self._every: Fraction | None = None
        if fps is not None and fps < max(media_rate * _SAME_RATE, self._burst_rate() * _BURST):
            self._every = 1 / Fraction(fps) / time_base
        # As in `lab.video.time_grid.TimeGrid`: times are rounded to ticks.
        self._early = min(max(Fraction(1, 1000) / time_base, Fraction(1)), _half_step(self._times))

    @property
    def length_s(self) -> float:
        """How long one loop takes."""
        return float(self._length * self._time_base)

    def loop(self, loop_index: int, from_s: float = 0.0) -> Iterator[Departure]:
        """The frames that leave in a loop, from a time on, each found when it is asked for: a media
        of hours has a million. Lower rates go on over its end as if it were longer.
        """
        begin = loop_index * self._length
        first = bisect_left(self._times, from_s, key=lambda ticks: self._seconds(begin + ticks))
        before = self._point_before(first, begin)
        for index in range(first, len(self._times)):
            point = self._point(begin + self._times[index])
            if point > before:
                yield Departure(index, loop_index, self._seconds(begin + self._times[index]))
            before = point

    @property
    def last(self) -> Departure:
        """The last frame that leaves in the first loop."""
        index = len(self._times) - 1
        while self._point(self._times[index]) == self._point_before(index, 0):
            index -= 1
        return Departure(index, 0, self._seconds(self._times[index]))

    def _point_before(self, index: int, begin: int) -> int:
        """That of the frame before one of the loop that begins at these ticks."""
        if index:
            return self._point(begin + self._times[index - 1])
        return self._point(begin - self._length + self._times[-1]) if begin else -1

    def position(self, at_s: float) -> int:
        """The loop that runs at so many seconds after the beginning."""
        return max(0, int(Fraction(at_s) / self._time_base // self._length))

    def count(self, from_s: float, to_s: float, *, loops: bool) -> int:
        """How many frames leave from one time to before another one."""
        first, last = (self.position(from_s), self.position(to_s)) if loops else (0, 0)
        return sum(
            1
            for loop_index in range(first, last + 1)
            for _ in takewhile(lambda one: one.due_s < to_s, self.loop(loop_index, from_s))
        )

    def repeats_after(self, due_s: float, count: int) -> float:
        """When the last frame leaves again for the n-th time, at the camera's rate."""
        return float(Fraction(due_s) + count / self.rate)

    def _burst_rate(self) -> Fraction:
        closest = min((b - a for a, b in pairwise(self._times)), default=self._length)
        return 1 / (closest * self._time_base)

    def _point(self, ticks: int) -> int:
        """The last point of the grid that a frame at these ticks reaches."""
        if self._every is None:
            return ticks
        early, every = self._early, self._every
        whole = (ticks * early.denominator + early.numerator) * every.denominator
        return whole // (early.denominator * every.numerator)

    def _seconds(self, ticks: int) -> float:
        return ticks * self._time_base.numerator / self._time_base.denominator


def _half_step(times: Sequence[int]) -> Fraction:
    """Half the usual distance of frames; no limit for a single one."""
    steps = sorted(b - a for a, b in pairwise(times))
    return Fraction(steps[len(steps) // 2], 2) if steps else Fraction(1 << 62)
