"""Readers start a few at a time: until it has loaded what it needs, each of them takes a core."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_AT_ONCE = max(2, os.cpu_count() or 1)
_POLL_S = 0.2


class Turn:
    """The right to start a reader, of which there are as many as cores; given in the order asked.

    `release` may be called again.
    """

    _free = threading.Semaphore(_AT_ONCE)

    def __init__(self) -> None:
        self._is_held = False

    def take(self, is_wanted: Callable[[], bool], waits: Callable[[], None]) -> bool:
        """Wait for it as long as it is wanted; whether it was had. waits: called if it is not at
        hand.
        """
        self._is_held = self._free.acquire(blocking=False)
        if not self._is_held:
            waits()
        while not self._is_held and is_wanted():
            self._is_held = self._free.acquire(timeout=_POLL_S)
        return self._is_held

    def release(self) -> None:
        if self._is_held:
            self._is_held = False
            self._free.release()
