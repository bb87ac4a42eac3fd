"""Pictures for people who watch a live source: JPEGs in memory that any process may map.

While somebody watches, the reader encodes the newest frame at the source's pace, and not faster
than 30 a second. A file in memory holds the last few; nobody waits for anybody.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from lab.video.live.room import has_room

if TYPE_CHECKING:
    import av

_FILE = struct.Struct("<8sQ")  # what it is, and the number of the newest picture
_MAGIC = b"labview1"
_SLOT = struct.Struct("<QqdIIIQ")  # number, pts_us, wall_time, width, height, bytes, number again
_SLOTS = 8
CAPACITY_BYTES = 4 << 20  # of a picture; memory is used only as far as it was written
_QUALITY = 75
_STEP_S = 1 / 30
_AHEAD = 3  # frames that may come at once, since networks give them in bursts
_HEIGHT_PX = 720


@dataclass(frozen=True)
class ViewedPicture:
    """A picture for viewers. sequence: its number; it rises. pts_us: media time. wall_time: Unix
    seconds at which the frame was received. width, height: of the JPEG.
    """

    sequence: int
    pts_us: int
    wall_time: float
    width: int
    height: int
    jpeg: bytes


class _Ring:
    def __init__(self, path: Path, *, is_written: bool) -> None:
        self.path = path
        with path.open("r+b" if is_written else "rb") as file:
            access = mmap.ACCESS_WRITE if is_written else mmap.ACCESS_READ
            self._map = mmap.mmap(file.fileno(), _size_bytes(), access=access)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._map.close()


class ViewWriter(_Ring):
    """Creates the file. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self._file.truncate(_size_bytes())
        if not has_room(self._file.fileno(), 0, _FILE.size):
            self._file.close()
            path.unlink()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        super().__init__(path, is_written=True)
        self._newest = 0

    def close(self) -> None:
        super().close()
        self._file.close()

    def write(self, jpeg: bytes, pts_us: int, wall_time: float, width: int, height: int) -> None:
        """Put a picture; one with more than `CAPACITY_BYTES`, or without room, is left out."""
        number = self._newest + 1
        start = _start_of(number)
        if len(jpeg) > CAPACITY_BYTES or not has_room(
            self._file.fileno(), start, _SLOT.size + len(jpeg)
        ):
            return
        facts = (pts_us, wall_time, width, height, len(jpeg))
        _SLOT.pack_into(self._map, start, 0, *facts, 0)
        body = start + _SLOT.size
        self._map[body : body + len(jpeg)] = jpeg
        _SLOT.pack_into(self._map, start, number, *facts, number)
        _FILE.pack_into(self._map, 0, _MAGIC, number)
        self._newest = number


class ViewReader(_Ring):
    """Reads what a `ViewWriter` of another process writes. Raises OSError or ValueError if there is
    no such file, or it is something else.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, is_written=False)

    @property
    def newest(self) -> int:
        """The number of the newest picture; 0 before the first."""
        magic, number = _FILE.unpack_from(self._map)
        return int(number) if magic == _MAGIC else 0

    def read(self, number: int) -> ViewedPicture | None:
        """A copy of a picture; None if it was written over."""
        start = _start_of(number)
        begin, pts_us, wall_time, width, height, size, end = _SLOT.unpack_from(self._map, start)
        if number < 1 or (begin, end) != (number, number) or size > CAPACITY_BYTES:
            return None
        body = start + _SLOT.size
        jpeg = self._map[body : body + size]
        if _SLOT.unpack_from(self._map, start)[0] != number:
            return None
        return ViewedPicture(number, pts_us, wall_time, width, height, jpeg)


class Viewing:
    """Encodes frames in a thread of its own while somebody watches.

    folder: where the file is made when it is first needed; `path` is None until then.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._wanted_path = folder / name
        self.path: Path | None = None
        self._until = 0.0
        self._height_px = _HEIGHT_PX
        self._arrived = threading.Condition()
        self._next: tuple[av.VideoFrame, int, float, bytes | None] | None = None
        self._due = 0.0
        self._writer: ViewWriter | None = None
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def ask(self, height_px: int, for_s: float) -> None:
        """Somebody watches for so long. height_px: of the pictures, at most."""
        self._height_px = max(2, int(height_px))
        self._until = time.monotonic() + float(for_s)

    def offer(
        self, frame: av.VideoFrame, pts_us: int, wall_time: float, packet: av.Packet | None
    ) -> bool:
        """A frame that was decoded just now, and the packet that it came from. Whether the file was
        made with it. Never waits: of two frames that come too fast the newer one is encoded.
        """
        now = time.monotonic()
        if time.monotonic() > self._until or now < self._due:
            return False
        self._due = max(self._due, now - _AHEAD * _STEP_S) + _STEP_S
        is_new = self._writer is None
        if is_new and not self._begin():
            return False
        with self._arrived:
            self._next = (frame, pts_us, wall_time, self._as_it_is(frame, packet))
            self._arrived.notify()
        return is_new

    def close(self) -> None:
        """End, and remove the file."""
        with self._arrived:
            self._is_closed = True
            self._arrived.notify()
        if self._thread is not None:
            self._thread.join(1)
        self.remove()

    def remove(self) -> None:
        """Whoever has it mapped keeps it."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink()

    def _begin(self) -> bool:
        """Whether there is a file for the pictures; a full disk is no reason to end the reader."""
        try:
            self._writer = ViewWriter(self._wanted_path)
        except OSError:
            return False
        self.path = self._wanted_path
        self._thread = threading.Thread(target=self._encode_all, daemon=True, name="viewing")
        self._thread.start()
        return True

    def _as_it_is(self, frame: av.VideoFrame, packet: av.Packet | None) -> bytes | None:
        """The packet itself where it is a JPEG of a fitting size."""
        is_jpeg = packet is not None and packet.size and bytes(packet)[:2] == b"\xff\xd8"
        if not is_jpeg or frame.height > self._height_px or frame.rotation:
            return None
        return bytes(packet)  # type: ignore[arg-type]

    def _encode_all(self) -> None:
        from av.video.reformatter import VideoReformatter

        assert self._writer is not None
        # Of this thread: two that scale with a frame's own wait for each other for ever.
        reformatter = VideoReformatter()
        while True:
            with self._arrived:
                while self._next is None and not self._is_closed:
                    self._arrived.wait()
                if self._is_closed:
                    return
                assert self._next is not None
                frame, pts_us, wall_time, jpeg = self._next
                self._next = None
            width, height = _fitting(frame.width, frame.height, self._height_px)
            turns = round(frame.rotation / 90) % 4
            if jpeg is None:
                jpeg = _encoded(reformatter.reformat(frame, width, height, "bgr24"), turns)
            size = (height, width) if turns % 2 else (width, height)
            self._writer.write(jpeg, pts_us, wall_time, *size)


def _encoded(frame: av.VideoFrame, turns: int) -> bytes:
    import cv2

    image: np.ndarray = np.ascontiguousarray(np.rot90(frame.to_ndarray(), turns), np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def _fitting(width: int, height: int, most_px: int) -> tuple[int, int]:
    """The size of a picture that is at most so high, with even sides."""
    if height <= most_px:
        return width, height
    return max(2, round(width * most_px / height / 2) * 2), most_px


def _size_bytes() -> int:
    return _FILE.size + _SLOTS * (_SLOT.size + CAPACITY_BYTES)


def _start_of(number: int) -> int:
    return _FILE.size + (number % _SLOTS) * (_SLOT.size + CAPACITY_BYTES)
