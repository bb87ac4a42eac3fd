"""The contract of a sink: where sightings go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

Row = Mapping[str, Any]
Moment = Literal["opened", "alerted"]


class Sink(ABC):
    """Is given sightings, as rows with times in seconds. A context manager, made once per job.

    A row has the columns of `lab export sightings` (but those of the store's own rows) and
    `analysis`, the name of what found it. A sink keeps no clock: it goes by the times in the rows.

    A plugin is a class that is registered in the entry-point group `lab.sinks`; a job document
    names it by its `type`, and gives it the other keys as settings.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def check(self, inputs: Sequence[Path]) -> None:  # noqa: B027 (most have nothing to check)
        """Before anything is analysed: whether rows can be taken. inputs: the clips of the job.

        Raises SettingError with the reason if they cannot.
        """

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None:
        """Sightings that have ended, in order of their analysis, clip, label and time.

        Called any number of times. Raises LabError if they cannot be taken.
        """

    def announce(self, moment: Moment, row: Row) -> None:  # noqa: B027
        """A sighting that opened or alerted while a live source runs; it has no end yet."""

    def finish(self) -> Path | None:
        """There are no more rows. Returns the file that was written, None if there is none.

        Raises LabError if what was taken cannot be kept.
        """
        return None

    def close(self) -> None:  # noqa: B027 (most hold nothing)
        """Release what it holds, whether or not it was finished; calling it twice is fine."""
