"""Which samples the other process took, for a reader that lets none be skipped."""

from __future__ import annotations

import threading


class Taken:
    """The number of the last sample that was taken."""

    def __init__(self) -> None:
        self._number = 0
        self._changed = threading.Condition()

    def note(self, number: int) -> None:
        with self._changed:
            self._number = max(self._number, number)
            self._changed.notify_all()

    def wait(self, number: int, timeout_s: float) -> bool:
        """Whether that one was taken, after waiting for it."""
        with self._changed:
            return self._changed.wait_for(lambda: self._number >= number, timeout_s)
