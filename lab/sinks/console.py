"""The sink that prints a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from lab.sinks.sink import Row, Sink


class ConsoleSink(Sink):
    """Prints one line a sighting, below a heading. stream: standard output, unless given."""

    def __init__(self, *, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._has_heading = False

    def write(self, rows: Sequence[Row]) -> None:
        self._head()
        for row in rows:
            self._stream.write(
                f"{row['media']:<28} {row['analysis']:<16} {row['label']:<16} "
                f"{row['onset_s']:>10.2f} {row['offset_s']:>10.2f} "
                f"{row['peak_confidence']:>6.2f}\n"
            )

    def finish(self) -> None:
        self._head()
        self._stream.flush()

    def _head(self) -> None:
        if not self._has_heading:
            self._has_heading = True
            names = f"{'media':<28} {'analysis':<16} {'label':<16}"
            self._stream.write(f"{names} {'onset_s':>10} {'offset_s':>10} {'peak':>6}\n")
