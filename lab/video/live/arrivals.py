"""The samples that a reader has given and nobody has taken yet, with their pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.video.live.frame_slots import SlotReader


@dataclass(frozen=True)
class LiveFrame:
    """A sample as the reader told it. analyses: which of the grids chose it.

    index: its number among all frames that were decoded. pts_us: media time. wall_time: Unix
    seconds at which it was received. camera_time: the same by the camera's own clock, for when it
    was taken, where the stream tells it. error: why it has no picture. reader: the process that
    read it.
    """

    sequence: int
    index: int
    pts_us: int
    wall_time: float
    analyses: tuple[int, ...]
    camera_time: float | None = None
    error: str | None = None
    reader: int = 0


class Arrivals:
    """Any thread may use it. is_over: whether none will come any more."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over
        self._changed = threading.Condition()
        self._frames: list[LiveFrame] = []
        self._slots: SlotReader | None = None

    def add(self, frame: LiveFrame) -> None:
        with self._changed:
            self._frames.append(frame)
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Whether there is a sample to take, or none will come any more."""
        with self._changed:
            if not self._frames and not self._is_over():
                self._changed.wait(timeout_s)
            return bool(self._frames) or self._is_over()

    def take(self, timeout_s: float) -> list[LiveFrame]:
        """The samples that arrived since the last call, oldest first; waits for the first one."""
        with self._changed:
            if not self._frames and not self._is_over():
                self._changed.wait(timeout_s)
            frames, self._frames = self._frames, []
        return frames

    def picture(self, frame: LiveFrame) -> np.ndarray | None:
        """uint8, shape (height, width, 3), BGR; None where a newer one took its place."""
        with self._changed:
            return None if self._slots is None else self._slots.read(frame.sequence)

    def use_slots(self, path: Path, capacity_bytes: int, reader: int) -> None:
        """Those of a reader process; their file is unlinked, so that nobody has to remove it."""
        with self._changed:
            if self._slots is not None:
                self._slots.close()
            self._slots = SlotReader(path, capacity_bytes)
            # Numbers of another reader's pictures begin anew; what has none needs no slot.
            self._frames = [one for one in self._frames if one.error or one.reader == reader]
        with suppress(OSError):
            path.unlink()

    def wake(self) -> None:
        """Have who waits look again whether it is over."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        if self._slots is not None:
            self._slots.close()
