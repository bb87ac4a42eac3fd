"""Sinks that write a file: CSV and JSON, and a JSON object a line."""

from __future__ import annotations

import csv
import json
import os
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.access.addresses import AddressRules
from lab.atomic_file import write_atomically
from lab.errors import LabError, SettingError
from lab.formats.csv import to_csv
from lab.sinks.appended import AppendedFile
from lab.sinks.choices import KINDS, kinds_of
from lab.sinks.event import SightingEvent
from lab.sinks.sink import Row, Sink, SinkRefused
from lab.store.tables import STORED_SIGHTING_COLUMNS

# Those of the store's own rows are left out: the sightings need not be in it.
COLUMNS = [
    "analysis",
    *(c for c in STORED_SIGHTING_COLUMNS if c not in ("sighting_id", "saved_utc")),
]
# The columns of events in CSV. What is added goes to the end.
EVENT_COLUMNS = [
    "event_id", "kind", "sighting_id", "feed", "feed_name", "label", "onset_utc", "offset_utc",
    "peak_utc", "onset_s", "offset_s", "peak_s", "duration_s", "onset_earliest_s",
    "offset_latest_s", "peak_confidence", "close_reason", "detector", "run_id", "media_id",
    "rule_hash", "rule_name", "created_utc", "is_test",
]  # fmt: skip


class FileSink(Sink):
    """Keeps the rows, and writes the file whole at the end, or not at all."""

    def __init__(self, *, path: str | Path) -> None:
        self.path = Path(path)
        self._rows: list[Row] = []

    def keep_to(self, addresses: AddressRules) -> None:
        """It connects to nothing."""

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


class LinesSink(FileSink):
    """In a job the file is written whole, at its end; in a feed each event is appended as it comes.

    events: which ones. A file that is there is gone on with: a half line, as of a process that was
    killed, is removed, and what is in it is not written again. One that is renamed, as by a log
    rotation, is begun anew.
    """

    in_order = True
    _events: tuple[str, ...] = KINDS

    def __init__(self, *, path: str | Path, events: Sequence[str] | None = None) -> None:
        super().__init__(path=path)
        self._kinds = kinds_of(events, self._events)
        self._file = self._appended()
        self._is_fed = False

    def wants(self, event: SightingEvent) -> bool:
        return event.kind in self._kinds

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """See `lab.sinks.sink.Sink`."""
        return ()

    def deliver(self, event: SightingEvent) -> None:
        self._is_fed = True
        if self.wants(event):
            self._file.append(self._line(event), event.event_id)

    def finish(self) -> Path:
        return self.path if self._is_fed else super().finish()

    def close(self) -> None:
        self._file.close()

    @abstractmethod
    def _appended(self) -> AppendedFile:
        """The file to which events are appended."""

    @abstractmethod
    def _line(self, event: SightingEvent) -> str:
        """An event, without the end of the line."""


class CsvSink(LinesSink):
    """CSV with a header; text that would run as a formula is neutralised.

    One row a sighting: in a feed when it is over, or at each event that `events` names.
    """

    _events = ("closed",)

    def text(self, rows: Sequence[Row]) -> str:
        return to_csv(rows, COLUMNS)

    def _appended(self) -> AppendedFile:
        heading = ",".join(EVENT_COLUMNS)

        def is_ours(line: str, is_whole: bool) -> bool:
            return line.rstrip("\r") == heading or (not is_whole and heading.startswith(line))

        return AppendedFile(self.path, _first_cell, heading=heading, is_ours=is_ours)

    def _line(self, event: SightingEvent) -> str:
        values = {**event.to_dict(), "duration_s": event.duration_s}
        row = {name: _in_one_line(values[name]) for name in EVENT_COLUMNS}
        return to_csv([row], EVENT_COLUMNS).split("\n")[1]


class JsonlSink(LinesSink):
    """A JSON object a line: a sighting of a job, or an event of a feed, without its pictures."""

    def text(self, rows: Sequence[Row]) -> str:
        return "".join(json.dumps(dict(row)) + "\n" for row in rows)

    def _appended(self) -> AppendedFile:
        def is_ours(line: str, is_whole: bool) -> bool:
            return bool(_object(line)) or (not is_whole and '{"event_id"'.startswith(line[:11]))

        return AppendedFile(
            self.path, _id_of_object, is_line=lambda text: bool(_object(text)), is_ours=is_ours
        )

    def _line(self, event: SightingEvent) -> str:
        return json.dumps(event.to_dict())


class JsonSink(FileSink):
    """A JSON list, one object a sighting."""

    is_for_feeds = False

    def text(self, rows: Sequence[Row]) -> str:
        return json.dumps(list(rows), indent=1) + "\n"

    def deliver(self, event: SightingEvent) -> None:
        raise SinkRefused("json is written whole, at the end of a job; use jsonl", is_final=True)


def _in_one_line(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value


def _first_cell(line: str) -> str | None:
    try:
        return next(csv.reader([line]), [None])[0]
    except csv.Error:
        return None


def _id_of_object(line: str) -> str | None:
    found = _object(line).get("event_id")
    return found if isinstance(found, str) else None


def _object(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
