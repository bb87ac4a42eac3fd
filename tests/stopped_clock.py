"""A clock for one module that stands still but for what is waited for."""

import time as _real


class StoppedClock:
    """In place of a module's `time`. Other threads of the process keep theirs: set for all of them,
    one that waits in a loop would never end, and move this clock."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    time = staticmethod(_real.time)
