"""The samples that a reader process gives: pictures in shared memory, and a line for each."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.video.live.frame_slots import SlotWriter
from lab.video.live.reader_talk import Stopped, say, stopping
from lab.video.live.taken import Taken

_WAITING_EVERY_S = 1.0
_TAKEN_S = 0.1
_MAX_UNTAKEN = 2  # of the three slots


@dataclass(frozen=True)
class Stamp:
    """Which frame a sample is, and which analyses chose it; as of `connection.LiveFrame`."""

    index: int
    pts_us: int
    wall_time: float
    camera_time: float | None
    analyses: list[int]


class SamplesGiven:
    """folder: for the slots. taken: what the other side took, where none is to be skipped.

    Where it waits and the process is to end, it raises `Stopped`.
    """

    def __init__(self, folder: Path, taken: Taken | None) -> None:
        self._folder, self._taken = folder, taken
        self._slots: SlotWriter | None = None
        self._sequence = 0
        self._shape: tuple[int, ...] | None = None
        self._said_at = time.monotonic()

    def give(self, image_bgr: np.ndarray, stamp: Stamp) -> None:
        """image_bgr: uint8 of shape (height, width, 3)."""
        self._wait_for(self._sequence - _MAX_UNTAKEN + 1)
        slots = self._slots_for(image_bgr)
        if image_bgr.shape != self._shape:
            self._shape = image_bgr.shape
            say("size", width=image_bgr.shape[1], height=image_bgr.shape[0])
        slots.write(self._sequence + 1, image_bgr)
        self._say_sample("frame", stamp, None)

    def give_damaged(self, stamp: Stamp, reason: str) -> None:
        """A sample without a picture."""
        self._say_sample("damaged", stamp, reason)

    def _say_sample(self, kind: str, stamp: Stamp, error: str | None) -> None:
        self._sequence += 1
        say(kind, sequence=self._sequence, **vars(stamp), error=error)

    def _wait_for(self, number: int) -> None:
        """Until that sample was taken, where nothing is to be skipped."""
        while self._taken is not None and not self._taken.wait(number, _TAKEN_S):
            if stopping.is_asked:
                raise Stopped
            if time.monotonic() - self._said_at >= _WAITING_EVERY_S:
                self._said_at = time.monotonic()
                say("waiting", reason="the analysis is behind", is_down=False)

    def _slots_for(self, image_bgr: np.ndarray) -> SlotWriter:
        if self._slots is not None and self._slots.has_room(image_bgr):
            return self._slots
        if self._slots is not None:
            self._wait_for(self._sequence)
            self._slots.close()
        path = self._folder / f"frames-{os.getpid()}-{self._sequence}"
        self._slots = SlotWriter(path, image_bgr.nbytes)
        say("slots", path=str(path), capacity_bytes=image_bgr.nbytes)
        return self._slots
