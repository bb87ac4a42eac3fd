"""What a feed saw since midnight."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from lab.sinks.event import SightingEvent


def _today() -> str:
    return datetime.fromtimestamp(time.time()).date().isoformat()


@dataclass
class DayCounts:
    """What happened since midnight by this computer's clock.

    That clock may be set back over midnight: the counts of one other day stay at hand.
    """

    date: str = field(default_factory=_today)
    sightings: Counter[str] = field(default_factory=Counter)
    alerts: int = 0
    _other: tuple[str, Counter[str], int] | None = None

    def add(self, event: SightingEvent) -> None:
        self._begin_day()
        if event.kind == "opened":
            self.sightings[event.label] += 1
        if event.kind == "alerted":
            self.alerts += 1

    def to_dict(self) -> dict[str, Any]:
        self._begin_day()
        return {"date": self.date, "sightings": dict(self.sightings), "alerts": self.alerts}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        return cls(str(kept["date"]), Counter(kept["sightings"]), int(kept["alerts"]))

    def _begin_day(self) -> None:
        if (today := _today()) == self.date:
            return
        known, self._other = self._other, (self.date, self.sightings, self.alerts)
        if known is None or known[0] != today:
            known = today, Counter(), 0
        self.date, self.sightings, self.alerts = known
