"""The sink that prints: a table in a job, lines as they happen in a feed."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TextIO

from lab.access.addresses import AddressRules
from lab.sinks.choices import KINDS, kinds_of
from lab.sinks.event import SightingEvent
from lab.sinks.sink import Row, Sink


class ConsoleSink(Sink):
    """Prints one line a sighting, below a heading, or in a feed one line an event.

    stream: standard output, unless given. events: which ones are printed.
    """

    def __init__(
        self, *, stream: TextIO | None = None, events: Sequence[str] | None = None
    ) -> None:
        self._stream = stream or sys.stdout
        self._kinds = kinds_of(events, KINDS)
        self._is_fed = False
        self._has_heading = False

    def keep_to(self, addresses: AddressRules) -> None:
        """It connects to nothing."""

    def write(self, rows: Sequence[Row]) -> None:
        self._head()
        for row in rows:
            self._stream.write(
                f"{row['media']:<28} {row['analysis']:<16} {row['label']:<16} "
                f"{row['onset_s']:>10.2f} {row['offset_s']:>10.2f} "
                f"{row['peak_confidence']:>6.2f}\n"
            )

    def wants(self, event: SightingEvent) -> bool:
        return event.kind in self._kinds

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """See `lab.sinks.sink.Sink`."""
        return ()

    def deliver(self, event: SightingEvent) -> None:
        self._is_fed = True
        if not self.wants(event):
            return
        at = datetime.fromisoformat(event.created_utc).astimezone()
        seconds = f"  {event.duration_s:.1f} s, {event.close_reason}" if event.is_over else ""
        test = "  (a test)" if event.is_test else ""
        text = (
            f"{at:%Y-%m-%d %H:%M:%S}  {event.kind:<7}  {event.feed_name}: {event.label}  "
            f"{event.peak_confidence:.2f}{seconds}{test}"
        )
        line = "".join(c if c.isprintable() else " " for c in text)
        self._stream.write(line + "\n")
        self._stream.flush()

    def finish(self) -> None:
        if not self._is_fed:
            self._head()
        self._stream.flush()

    def _head(self) -> None:
        if not self._has_heading:
            self._has_heading = True
            names = f"{'media':<28} {'analysis':<16} {'label':<16}"
            self._stream.write(f"{names} {'onset_s':>10} {'offset_s':>10} {'peak':>6}\n")
