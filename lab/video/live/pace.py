"""Holding frames back until they are due, as a player does."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lab.video.live.capture import Captured

_SAID_EVERY_S = 1.0


class Pace:
    """For frames that can be had before they are due, as those of a file.

    late_s: a frame that is late by more lets all that follow be as late, so that they do not come
    in a rush. gap_s: of the frames' own times, a longer one is a jump and is not waited for; None
    where all are.
    """

    def __init__(self, late_s: float, gap_s: float | None = None) -> None:
        self._late_s, self._gap_s = late_s, gap_s
        self._zero: float | None = None
        self._last_s = 0.0

    def wait(self, time_s: float) -> Iterator[Captured]:
        """Until the frame of this time, in seconds of its own clock, is due."""
        now = time.monotonic()
        step_s, self._last_s = time_s - self._last_s, time_s
        has_jumped = step_s < 0 or (self._gap_s is not None and step_s > self._gap_s)
        if self._zero is None or has_jumped or now - self._zero - time_s > self._late_s:
            self._zero = now - time_s
        while (left_s := self._zero + time_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _SAID_EVERY_S))
            if left_s > _SAID_EVERY_S:
                yield Captured(waiting=f"the next frame is due in {left_s:.0f} s")
