"""An order that one worker holds, and what it has told of it.

Each message names the claim and its own number. A claim that has ended takes no more, whoever sends
it: what is late is refused, and what is repeated counts once.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError, SettingError
from lab.jobs.remote.message import SentPart
from lab.jobs.remote.part_check import check_part
from lab.runs.pieces import LogEnd

_MOST_WAITING = 16  # parts that were sent and are not in their logs yet


class ClaimEndedError(LabError):
    """The claim is not the worker's any more; what it still has of it is not wanted."""


class ClaimBusyError(LabError):
    """What was sent before is not kept yet: send this again in a second."""


@dataclass(frozen=True)
class Opened:
    """The worker has the clip and the detectors: recipes of these, and facts of the clip."""

    recipes: Sequence[Mapping[str, Any]]
    media: Mapping[str, Any]
    counts: Sequence[int | None]
    opening_s: float
    decoded_on: str


@dataclass(frozen=True)
class Part:
    """A part that was checked. count: its samples."""

    sent: SentPart
    count: int


@dataclass(frozen=True)
class Ended:
    """The end of what was ordered. logs: one for each analysis, none if it never began. broken:
    class and text of what ended it early.
    """

    logs: Sequence[LogEnd]
    broken: tuple[str, str] | None


@dataclass(frozen=True)
class GivenBack:
    """The worker does not do it. is_unfit: nor would it the next time."""

    reason: str
    is_unfit: bool


Said = Opened | SentPart | Ended | GivenBack  # by the worker
Message = Opened | Part | Ended | GivenBack  # for the engine


class Claim:
    """Made with what is ordered; any thread may use it.

    order: what the worker is told. file: the clip, None where the worker opens it by its address.
    labels: of each analysis' detector.
    """

    def __init__(
        self,
        order: Mapping[str, Any],
        file: Path | None,
        labels: Sequence[Sequence[str]],
        after_us: int | None,
    ) -> None:
        self.claim_id = uuid.uuid4().hex
        self.order = {**order, "claim": self.claim_id}
        self.file = file
        self.given = 0  # times that the worker was told of it
        self._labels = labels
        self._last_us: list[int | None] = [after_us] * len(labels)
        self._heard = self._moved = time.monotonic()
        self._done: int | None = None
        self._inbox: deque[Message] = deque()
        self._next = 0
        self._is_closed = False  # the worker said its last word
        self._why_ended: str | None = None
        self._changed = threading.Condition()
        self._taking = threading.Lock()  # for one message after the other; the outer one

    @property
    def silent_s(self) -> float:
        """Seconds since anything was heard of the worker."""
        return time.monotonic() - self._heard

    @property
    def stuck_s(self) -> float:
        """Seconds since the worker got anything done."""
        return time.monotonic() - self._moved

    @property
    def has_begun(self) -> bool:
        return self._next > 0

    def give(self) -> None:
        """The worker is told of it. Raises ClaimEndedError."""
        self.hear_news()
        self.given += 1

    def hear(self, done: int | None = None) -> None:
        """The worker is there. done: what it got done, counted by itself: it is not stuck while
        that changes. Raises ClaimEndedError.
        """
        self._check()
        self._heard = time.monotonic()
        if done is not None and done != self._done:
            self._done = done
            self._moved = self._heard

    def hear_news(self) -> None:
        """It goes on. Raises ClaimEndedError."""
        self._check()
        self._heard = self._moved = time.monotonic()

    def take(self, number: int, message: Said) -> None:
        """The worker's next message; one that was there already changes nothing. Checking a part
        takes up to some seconds.

        Raises ClaimEndedError, ClaimBusyError, and SettingError for what must not be kept: then the
        claim ends.
        """
        with self._taking:
            with self._changed:
                if number < self._next and self._why_ended is None:
                    self._heard = time.monotonic()
                    return
                self.hear_news()
                if len(self._inbox) >= _MOST_WAITING:
                    raise ClaimBusyError("parts that were sent before are not written yet; wait")
            try:
                checked = self._checked(number, message)  # takes long: others do not wait for it
            except SettingError as error:
                self.refuse(error)
                raise
            with self._changed:
                self._check()
                self._next += 1
                self._is_closed = isinstance(message, Ended | GivenBack)
                self._inbox.append(checked)
                self._changed.notify_all()

    def next(self, within_s: float) -> Message | None:
        """What the worker said, in order; None if it says nothing so long."""
        with self._changed:
            if not self._inbox:
                self._changed.wait(within_s)
            return self._inbox.popleft() if self._inbox else None

    def end(self, why: str) -> None:
        """Take nothing more."""
        with self._changed:
            if self._why_ended is None:
                self._why_ended = why
            self._changed.notify_all()

    @property
    def why_ended(self) -> str | None:
        return self._why_ended

    def refuse(self, error: Exception) -> None:
        """What was sent cannot be used, so that the worker is given up."""
        self.end(f"what it sent was refused: {error}")

    def _check(self) -> None:
        if self._why_ended is not None:
            raise ClaimEndedError(f"this claim has ended: {self._why_ended}")
        if self._is_closed:
            raise ClaimEndedError("this claim has ended: the worker said so")

    def _checked(self, number: int, message: Said) -> Message:
        if number > self._next:
            raise SettingError(f"message {number} came, and {self._next} has not")
        if isinstance(message, Opened | GivenBack):
            if isinstance(message, Opened) and number:
                raise SettingError("the clip was opened before")
            return message
        if isinstance(message, Ended):
            if len(message.logs) not in (0 if message.broken else -1, len(self._labels)):
                raise SettingError(f"{len(message.logs)} analyses ended of {len(self._labels)}")
            return message
        if not number or message.index >= len(self._labels):
            raise SettingError("a part came of what was not begun")
        labels, last_us = self._labels[message.index], self._last_us[message.index]
        count, last = check_part(message.samples, message.detections, labels, last_us)
        self._last_us[message.index] = last
        return Part(message, count)
