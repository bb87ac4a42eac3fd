"""The contract of a sink: where sightings go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from lab.access.addresses import AddressRules
from lab.errors import LabError, SettingError
from lab.sinks.event import PICTURES, SightingEvent

Row = Mapping[str, Any]


class DeliverLater(LabError):
    """Nothing failed, but it is too early: `deliver` is called again after `wait_s` seconds."""

    def __init__(self, wait_s: float, why: str = "") -> None:
        super().__init__(why or f"to be delivered in {wait_s:g} s")
        self.wait_s = wait_s


class DeliveryFailed(LabError):
    """It failed, and is to be tried again, but not before `retry_after_s` seconds have passed.

    Until then the sink is told nothing else either, as the other side wishes.
    """

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SinkRefused(LabError):
    """The other side will never take this event: it is given up, and counted as failed.

    is_final: it takes no others either (as after HTTP 410); the sink is switched off.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class Sink(ABC):
    """Is given sightings. A context manager.

    In a job it is made once and given rows, with times in seconds: the columns of `lab export
    sightings` (but those of the store's own rows) and `analysis`, the name of what found it. In a
    feed it is given events, one at a time, in their order, from a thread of its own, each until it
    was taken; the outbox before it (`lab.sinks.outbox`) keeps them over failures and restarts, so
    that the same event may come twice: go by its `event_id` where that matters.

    A plugin is a class that is registered in the entry-point group `lab.sinks`; a document
    names it by its `type`, and gives it the other keys as settings.

    is_for_feeds: whether it can be told of events as they happen. in_order: while an event waits to
    be tried again, no other is delivered; else only those of the same sighting wait with it.
    """

    is_for_feeds = True
    in_order = False

    def keep_to(self, addresses: AddressRules) -> None:
        """Connect only where the rules allow, from now on.

        Raises SettingError where that cannot be promised, as here for all that do not say so.
        """
        raise SettingError(
            "this sink cannot be kept to public addresses; whoever runs the app can add it, or set "
            "private_addresses"
        )

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

    def deliver(self, event: SightingEvent) -> None:
        """A moment of a sighting of a feed.

        Raises `DeliverLater`, `SinkRefused`, or LabError (or whatever its libraries raise) if it
        failed and is to be tried again. It may block: a time limit of its own is better.
        By default nothing is done with what is not over, and `write` is given what is.
        """
        if event.is_over:
            self.write([row_of(event)])

    def wants(self, event: SightingEvent) -> bool:
        """Whether `deliver` would do anything with it; if not, it does not wait for the sink.

        Called from any thread, and quick.
        """
        return True

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """Which pictures of an event `deliver` looks at, `picture_jpeg` and `plain_jpeg`.

        The others are neither made nor kept for it. Called from any thread, and quick.
        """
        return PICTURES

    def beat(self) -> None:  # noqa: B027 (few say that they are alive)
        """Called about once a minute while feeds run; failures are only noted."""

    def watched(self, feeds: Mapping[str, Mapping[str, Any]]) -> None:  # noqa: B027
        """What is watched now: called at the beginning, when a feed or its state changes, and
        before each beat.

        feeds: by id, each at least with its `name`, `state` (as of a connection), `labels`,
        `present`, the labels that are there, and `last_frame_at`, Unix seconds or None. Failures
        are only noted. From the same thread as `deliver`.
        """

    def finish(self) -> Path | None:
        """There are no more rows. Returns the file that was written, None if there is none.

        Raises LabError if what was taken cannot be kept.
        """
        return None

    def close(self) -> None:  # noqa: B027 (most hold nothing)
        """Release what it holds, whether or not it was finished; calling it twice is fine."""


def row_of(event: SightingEvent) -> Row:
    """An event as a row of a job, with `None` for what only the store knows."""
    values = event.to_dict()
    return {
        **values,
        "analysis": event.feed,
        "media": event.feed_name,
        "duration_s": event.duration_s,
    }
