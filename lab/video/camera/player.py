"""The process of a virtual camera: it decodes a video ahead of time, and makes each JPEG once.

It reads a JSON line of settings from standard input, and ends when that closes. On standard output
it writes a JSON line of facts, or one with `error`, and then a `RECORD` for each frame, followed by
its JPEG. It is as far ahead as the pipe, and whoever reads it, have room.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from fractions import Fraction
from math import ceil, floor, inf, nextafter
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from lab.errors import LabError, SourceError
from lab.frame import Frame
from lab.video.camera.parts import begins_behind, parts_of
from lab.video.camera.schedule import Departure, Schedule
from lab.video.sources.file import FileSource

if TYPE_CHECKING:
    import numpy as np

# due_s, pts_us, loop_index, how many frames were left out before this one, bytes of the JPEG that
# follows; with none, the picture before is to be sent again.
RECORD = struct.Struct("<dqIII")
_LEAD_S = 0.1
# A player that is so late goes on further ahead; it could never catch up otherwise.
_LATE_S = 1.0
_JUMP_AHEAD_S = 0.3
_SHOWN_EVERY_S = 0.2
_STILL_AHEAD_S = 0.5
PART_FRAMES = 2000


class Played(NamedTuple):
    """A frame, encoded. jpeg: empty where the picture before is to be sent again."""

    due_s: float
    pts_us: int
    loop_index: int
    skipped: int
    jpeg: bytes


class Player:
    """A video as a sequence of JPEGs with the times at which they are due.

    fps: frames a second at most. quality: of the JPEGs, 1 to 100. Raises SourceError.
    """

    def __init__(self, path: str, *, fps: Fraction | None, loop: bool, quality: int) -> None:
        self._source = FileSource(path)
        self._loop, self._quality = loop, quality
        self.schedule = _schedule(self._source, fps)
        first = next(self._source.frames_by_index([0]), None)
        if first is None or first.image_bgr is None:
            raise SourceError(
                f"{path}: its first frame cannot be decoded; copy or convert it again"
            )
        self._first = first
        self._last: Played | None = None
        self._skipped = 0
        self._zero = 0.0
        self._shown_at = float("-inf")
        self._has_jumped = False  # and shown nothing since

    def facts(self) -> dict[str, Any]:
        """What is told of it before the first frame."""
        assert self._first.image_bgr is not None
        height, width = self._first.image_bgr.shape[:2]
        rate = self.schedule.rate
        return {
            "width": width,
            "height": height,
            "rate": f"{rate.numerator}/{rate.denominator}",
            "frames": len(self._source.index.presented),
            "duration_s": self.schedule.length_s,
            "codec": self._source.index.codec,
        }

    def play(
        self, zero: float, from_s: float = 0.0, after_s: float | None = None
    ) -> Iterator[Played]:
        """Frames from a time on, without end. zero: of `time.monotonic`, when it began. after_s:
        when the last one was due that another player gave.

        It is to be taken ahead of time; what is overtaken meanwhile is left out and counted.
        """
        self._zero, from_s = zero, max(0.0, from_s)
        if after_s is not None:
            self._skip(nextafter(after_s, inf), from_s)
        loop_index = self.schedule.position(from_s) if self._loop else 0
        while self._loop or loop_index == 0:
            jumped_to_s = yield from self._play_loop(loop_index, from_s)
            loop_index += 1
            if jumped_to_s is not None:
                from_s = jumped_to_s
                loop_index = self.schedule.position(from_s) if self._loop else 0
        yield from self._stand_still(from_s)

    @property
    def _now_s(self) -> float:
        return time.monotonic() - self._zero

    def _play_loop(self, loop_index: int, from_s: float) -> Generator[Played, None, float | None]:
        """Gives the time to go on from where it is too late for the rest; else None."""
        departures = self.schedule.loop(loop_index, from_s)
        for part in parts_of(departures, self._source.index, PART_FRAMES):
            jumped_to_s = yield from self._play_part(part)
            if jumped_to_s is not None:
                return jumped_to_s
        return None

    def _play_part(self, departures: list[Departure]) -> Generator[Played, None, float | None]:
        frames = self._source.frames_by_index([one.frame_index for one in departures])
        due = {one.frame_index: one for one in departures}
        for frame in frames:
            departure = due[frame.index]
            late_s = self._now_s - departure.due_s
            goes_on_s = self._now_s + _JUMP_AHEAD_S
            if late_s > _LATE_S and self._jump_pays(departure, goes_on_s):
                self._has_jumped = True
                self._skip(departure.due_s, goes_on_s)
                return goes_on_s
            is_overtaken = late_s > 1 / self.schedule.rate
            if frame.image_bgr is None or (
                is_overtaken and self._now_s - self._shown_at < _SHOWN_EVERY_S
            ):
                self._skipped += 1
                continue
            self._shown_at, self._has_jumped = self._now_s, False
            yield self._played(departure, frame)
        return None

    def _skip(self, from_s: float, to_s: float) -> None:
        self._skipped += self.schedule.count(from_s, to_s, loops=self._loop)

    def _jump_pays(self, here: Departure, goes_on_s: float) -> bool:
        """Whether decoding would begin behind this frame: else going on in line is faster."""
        if self._has_jumped or not self._source.index.can_seek:
            return False
        there = next(self.schedule.loop(here.loop_index, goes_on_s), None)
        if there is None:  # in another loop
            return self._loop
        return begins_behind(there, here, self._source.index)

    def _stand_still(self, from_s: float) -> Iterator[Played]:
        """The last picture, again and again."""
        departure, jpeg = self.schedule.last, b""
        if self._last is None:  # it begins after the end
            frame = next(self._source.frames_by_index([departure.frame_index]), self._first)
            is_whole = frame.image_bgr is not None
            self._last = self._played(departure, frame if is_whole else self._first)
            jpeg = self._last.jpeg
        rate, begun_s = self.schedule.rate, Fraction(departure.due_s)
        count = max(1, ceil((Fraction(from_s) - begun_s) * rate))
        while True:
            newest = max(count, floor((Fraction(self._now_s) - begun_s) * rate))
            skipped, self._skipped = self._skipped + newest - count, 0
            due_s = self.schedule.repeats_after(departure.due_s, newest)
            time.sleep(max(0.0, due_s - self._now_s - _STILL_AHEAD_S))
            yield Played(due_s, self._last.pts_us, 0, skipped, jpeg)
            jpeg, count = b"", newest + 1

    def _played(self, departure: Departure, frame: Frame) -> Played:
        assert frame.image_bgr is not None
        jpeg = encoded(frame.image_bgr, self._quality)
        skipped, self._skipped = self._skipped, 0
        self._last = Played(departure.due_s, frame.pts_us, departure.loop_index, skipped, jpeg)
        return self._last


def _schedule(source: FileSource, fps: Fraction | None) -> Schedule:
    index, step = source.index, source.frame_ticks
    if index.linear is None:
        times = [index.pts_of(position) for position in index.presented]
        last = index.packets[index.presented[-1]].duration if times else 0
    else:
        count = len(index.presented)
        times, last = index.times_in_order or [round(i * (step or 0)) for i in range(count)], 0
    if len(set(times)) < len(times) or not times:
        raise SourceError(
            f"{source.path} says neither a rate (0 fps) nor times; convert it, e.g. to MP4"
        )
    # A single picture without a rate stands for a second.
    return Schedule(times, last or round(step or 1 / index.time_base), index.time_base, fps)


def encoded(image_bgr: np.ndarray, quality: int) -> bytes:
    """A picture as JPEG. quality: 1 to 100."""
    import cv2

    return cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def serve() -> int:
    """Play until standard input closes, or nobody reads. The exit code."""
    output, settings = os.fdopen(os.dup(1), "wb"), json.loads(sys.stdin.readline())
    os.dup2(2, 1)  # whatever libraries print
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        fps = settings["fps"]
        player = Player(
            settings["video"],
            fps=None if fps is None else Fraction(fps),
            loop=settings["loop"],
            quality=settings["quality"],
        )
        _play(player, settings, output)
    except LabError as error:
        _tell(output, {"error": str(error)})
        return 1
    except BrokenPipeError:
        pass
    return 0


def _play(player: Player, settings: Mapping[str, Any], output: BinaryIO) -> None:
    zero = settings.get("zero")
    if zero is None:
        zero = time.monotonic() + _LEAD_S
    _tell(output, {**player.facts(), "zero": zero})
    for one in player.play(zero, settings.get("from_s", 0.0), settings.get("after_s")):
        output.write(RECORD.pack(one.due_s, one.pts_us, one.loop_index, one.skipped, len(one.jpeg)))
        output.write(one.jpeg)
        output.flush()


def _tell(output: BinaryIO, facts: Mapping[str, Any]) -> None:
    output.write(json.dumps(facts).encode() + b"\n")
    output.flush()


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    os._exit(serve())  # whatever its threads do
