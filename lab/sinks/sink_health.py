"""Whether a sink works: why not, since when it is busy, and how long it is left alone."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# So many different events that fail one after the other: the sink is down, not one event bad.
_DOWN = 3
_HANGS_S = 60.0
_log = logging.getLogger(__name__)


class SinkHealth:
    """Of one sink. Its thread writes it, and others read it.

    delays_s: between the tries of an event; each is varied by a fifth, so that sinks do not come
    back all at once. is_off: it takes nothing any more. paused_until: nothing is told before, by
    `time.monotonic`. remark: what is wrong although it works.
    """

    def __init__(self, name: str, delays_s: Sequence[float]) -> None:
        self._name, self._delays_s = name, tuple(delays_s)
        self.is_off = False
        self.paused_until = 0.0
        self.remark: str | None = None
        self._reason: str | None = None
        self._failed_ids: set[str] = set()
        self._failures = 0
        self._busy_since: float | None = None

    def state(self, note: str | None) -> tuple[str, str | None]:
        """`ok`, `failing` or `off`, and why. note: what is said where nothing else is."""
        if self.is_off:
            return "off", self._reason
        busy_since = self._busy_since
        if busy_since is not None and (busy_s := time.monotonic() - busy_since) > _HANGS_S:
            return "failing", f"no answer for {busy_s:.0f} s"
        if self._reason is not None:
            return "failing", self._reason
        return "ok", self.remark or note

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While the sink is called: it may block."""
        self._busy_since = time.monotonic()
        try:
            yield
        finally:
            self._busy_since = None

    @property
    def is_down(self) -> bool:
        """Whether several events failed in a row: then one at a time is tried."""
        return len(self._failed_ids) >= _DOWN

    def fail(self, why: str) -> None:
        if self._reason is None:
            _log.info("sink %s is failing: %s", self._name, why)
        self._reason = why
        self._failures += 1

    def fail_with(self, event_id: str, why: str, tries: int, asked_s: float) -> float:
        """An event failed. asked_s: how long the other side asks to be left alone; 0 for nothing.

        Returns the seconds until that event is to be tried again.
        """
        self.fail(why)
        self._failed_ids.add(event_id)
        wait_s = self.delay_s(tries)
        if asked_s > 0:
            wait_s = max(wait_s, asked_s)
            self.paused_until = time.monotonic() + asked_s
        elif self.is_down:
            self.paused_until = time.monotonic() + self.delay_s(self._failures - _DOWN)
        return wait_s

    def pause(self, why: str) -> None:
        """It cannot be made: leave it alone for longer and longer."""
        self.fail(why)
        self.paused_until = time.monotonic() + self.delay_s(self._failures - 1)

    def switch_off(self, why: str) -> None:
        self.is_off, self._reason = True, why

    def recover(self) -> None:
        if self._reason is not None:
            _log.info("sink %s works again", self._name)
        self._failed_ids.clear()
        self._failures, self._reason, self.paused_until = 0, None, 0.0

    def delay_s(self, tries: int) -> float:
        """Before the next try, after so many."""
        delay_s = self._delays_s[min(max(tries, 0), len(self._delays_s) - 1)]
        return delay_s * random.uniform(0.8, 1.2)
