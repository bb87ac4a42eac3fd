"""Who was told of a control, and how long that took."""

from __future__ import annotations

import time
from collections.abc import Callable

from lab.feeds.control_report import Delivery
from lab.sinks.event import SightingEvent
from lab.sinks.outbox import Fate

_POLL_S = 0.1
_MAX_AGE_S = 60.0

Deliver = Callable[[str, SightingEvent], object]
FateOf = Callable[[str, str], Fate | None]
Stopping = Callable[[], bool]


class Deliveries:
    """Sends the first alert to each sink, and looks what became of it."""

    def __init__(self, sinks: tuple[str, ...], deliver: Deliver, fate: FateOf) -> None:
        self._sinks, self._deliver, self._fate = sinks, deliver, fate
        self._event: SightingEvent | None = None
        self._received = 0.0  # by time.monotonic, which no clock's change moves
        self._taken: dict[str, Delivery] = {}

    def take(self, event: SightingEvent, received: float) -> None:
        """received: Unix seconds at which the sample came that decided it."""
        if event.kind == "alerted" and self._event is None:
            age_s = min(max(0.0, time.time() - received), _MAX_AGE_S)
            self._event, self._received = event, time.monotonic() - age_s
            for name in self._sinks:
                if self._deliver(name, event) is False:  # as a table that has whole sightings alone
                    self._taken[name] = Delivery("not tried")
        self._look()

    def wait(self, timeout_s: float, stopping: Stopping) -> dict[str, Delivery]:
        until = time.monotonic() + timeout_s
        while self._event is not None and time.monotonic() < until and not stopping():
            self._look()
            if all(name in self._taken for name in self._sinks):
                break
            time.sleep(_POLL_S)
        left = Delivery("not sent" if self._event is None else "waiting")
        return {name: self._taken.get(name, left) for name in self._sinks}

    def _look(self) -> None:
        for name in self._sinks:
            if self._event is None or name in self._taken:
                continue
            fate = self._fate(name, self._event.event_id)
            if fate == "delivered":
                self._taken[name] = Delivery("delivered", time.monotonic() - self._received)
            elif fate != "waiting":
                self._taken[name] = Delivery("gone" if fate is None else "refused")
