"""The time of the day of moments that are counted by a clock which nobody sets."""

from __future__ import annotations

import time

_SET_S = 1.0
_TRIES = 5


class UnixClock:
    """Unix seconds of moments of `time.monotonic`. Two of them differ by exactly what the moments
    do, unless somebody sets the clock of the system meanwhile by more than a second: then it is
    followed. What it is slewed by, little by little, both clocks have.
    """

    def __init__(self) -> None:
        self._ahead_s = _ahead_s()

    def unix_s(self, moment: float) -> float:
        """moment: of `time.monotonic`."""
        if abs(time.time() - time.monotonic() - self._ahead_s) > _SET_S:
            self._ahead_s = _ahead_s()  # or this process was stopped between the two
        return moment + self._ahead_s


def _ahead_s() -> float:
    """How far the time of the day is ahead, of several tries the one that was disturbed least."""
    found = []
    for _ in range(_TRIES):
        before, now, after = time.monotonic(), time.time(), time.monotonic()
        found.append((after - before, now - (before + after) / 2))
    return min(found)[1]
