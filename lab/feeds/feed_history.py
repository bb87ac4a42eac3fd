"""What happened to the sightings of each feed lately: events, counts of today, totals."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lab.feeds.day_counts import DayCounts
from lab.sinks.event import SightingEvent

_MOST_EVENTS = 50  # of a feed


class FeedHistory:
    """Of all feeds, by their ids; totals are since the process began."""

    def __init__(self) -> None:
        self._events: dict[str, deque[dict[str, Any]]] = {}
        self._days: dict[str, DayCounts] = {}
        self._sightings: dict[str, Counter[str]] = {}
        self._alerts: Counter[str] = Counter()

    def note(self, event: SightingEvent) -> None:
        events = self._events.setdefault(event.feed, deque(maxlen=_MOST_EVENTS))
        events.append(event.to_dict())
        if event.kind == "opened":
            self._sightings.setdefault(event.feed, Counter())[event.label] += 1
        if event.kind == "alerted":
            self._alerts[event.feed] += 1
        self.day(event.feed).add(event)

    def remember(self, before: Mapping[str, Any] | None) -> None:
        """What an earlier process counted today. before: the status that it wrote last."""
        for feed_id, kept in ((before or {}).get("feeds") or {}).items():
            with suppress(AttributeError, KeyError, TypeError, ValueError):
                self._days[feed_id] = DayCounts.from_dict(kept["day"])
                self._events[feed_id] = deque(kept["events"], maxlen=_MOST_EVENTS)

    def day(self, feed_id: str) -> DayCounts:
        return self._days.setdefault(feed_id, DayCounts())

    def events(self, feed_id: str, most: int) -> list[dict[str, Any]]:
        """The last events, without pictures, the oldest first."""
        return list(self._events.get(feed_id, ()))[-most:]

    def totals(self, feed_id: str) -> dict[str, Any]:
        """As `/metrics` counts them."""
        sightings = dict(self._sightings.get(feed_id, ()))
        return {"sightings": sightings, "alerts": self._alerts[feed_id]}
