"""Sinks that write one file: CSV and JSON."""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

from lab.atomic_file import write_atomically
from lab.errors import LabError, SettingError
from lab.formats.csv import to_csv
from lab.sinks.sink import Row, Sink
from lab.store.tables import STORED_SIGHTING_COLUMNS

# Those of the store's own rows are left out: the sightings need not be in it.
COLUMNS = [
    "analysis",
    *(c for c in STORED_SIGHTING_COLUMNS if c not in ("sighting_id", "saved_utc")),
]


class FileSink(Sink):
    """Keeps the rows, and writes the file whole at the end, or not at all."""

    def __init__(self, *, path: str | Path) -> None:
        self.path = Path(path)
        self._rows: list[Row] = []

    def check(self, inputs: Sequence[Path]) -> None:
        """Make the folder of the file. Raises SettingError for a place where none can be."""
        if os.path.realpath(self.path) in {os.path.realpath(clip) for clip in inputs}:
            raise SettingError(f"{self.path} is a clip of the source; name another file")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(f"{self.path.parent} cannot be made: {error.strerror}") from None
        if self.path.is_dir():
            raise SettingError(f"{self.path} is a folder; name a file")

    def write(self, rows: Sequence[Row]) -> None:
        self._rows += rows

    def finish(self) -> Path:
        try:
            write_atomically(self.path, self.text(self._rows))
        except OSError as error:
            raise LabError(
                f"{self.path} cannot be written: {error.strerror}; the runs are in the store"
            ) from None
        return self.path

    @abstractmethod
    def text(self, rows: Sequence[Row]) -> str:
        """What the file holds."""


class CsvSink(FileSink):
    """CSV with a header, one row a sighting; text that would run as a formula is neutralised."""

    def text(self, rows: Sequence[Row]) -> str:
        return to_csv(rows, COLUMNS)


class JsonSink(FileSink):
    """A JSON list, one object a sighting."""

    def text(self, rows: Sequence[Row]) -> str:
        return json.dumps(list(rows), indent=1) + "\n"
