"""What sinks of feeds have in common: they take events, and no rows of jobs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.errors import LabError, SettingError, printable
from lab.sinks.event import SightingEvent
from lab.sinks.sink import Row, Sink


class FeedSink(Sink):
    """Takes the events of feeds. A job is refused before anything is analysed."""

    def check(self, inputs: Sequence[Path]) -> None:
        if inputs:
            raise SettingError(f"{self._what()} takes events of feeds; {_INSTEAD}")

    def write(self, rows: Sequence[Row]) -> None:
        if rows:
            raise LabError(f"{self._what()} takes events of feeds; {_INSTEAD}")

    @abstractmethod
    def deliver(self, event: SightingEvent) -> None:
        """See `lab.sinks.sink.Sink`."""

    def _what(self) -> str:
        return f"sink {type(self).__name__.removesuffix('Sink').lower()!r}"


_INSTEAD = "for the sightings of a job use csv, json, rest or redis"


def local_time(utc: str) -> datetime:
    """A time of an event by the clock of this computer."""
    return datetime.fromisoformat(utc).astimezone()


def message_of(event: SightingEvent) -> dict[str, Any]:
    """An event as it is sent to other programs: without pictures and places of this computer."""
    values = event.to_dict()
    del values["recording"]
    return {"type": values.pop("kind"), **values}


def try_folder(folder: Path) -> None:
    """For a marked event: whether files can be written. Raises LabError if not."""
    try:
        write_atomically(folder / ".test", b"").unlink()
    except OSError as error:
        why = error.strerror or error
        raise LabError(f"{printable(folder)} cannot be written: {why}") from None
