"""Pictures from one process to another, of which only the newest counts.

A file in memory with a few slots. Nobody waits for anybody: the writer goes round, and the reader
copies the newest picture and looks whether it was written over meanwhile. A process that dies
leaves nothing locked.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Self

import numpy as np

from lab.errors import LabError
from lab.leftovers import remove_folders_of_the_dead
from lab.video.live.room import has_room

_FRAMES = "lab-frames-"
_HEADER = struct.Struct("<QIIQ")  # sequence number, height, width, sequence number again
_SLOTS = 3


class _Slots:
    def __init__(self, path: Path, capacity_bytes: int) -> None:
        self.path = path
        self._stride = _HEADER.size + capacity_bytes
        self._capacity = capacity_bytes
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SLOTS * self._stride)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._map.close()


class SlotWriter(_Slots):
    """Creates the file. capacity_bytes: of the largest picture, height * width * 3.

    Raises LabError where there is no room for it.
    """

    def __init__(self, path: Path, capacity_bytes: int) -> None:
        size_bytes = _SLOTS * (_HEADER.size + capacity_bytes)
        with path.open("xb") as file:
            file.truncate(size_bytes)
            is_there = has_room(file.fileno(), 0, size_bytes)
        if not is_there:
            path.unlink()
            free_mb = shutil.disk_usage(path.parent).free / 1e6
            raise LabError(
                f"{path.parent} has no room for pictures: {size_bytes / 1e6:.1f} MB are needed and "
                f"{free_mb:.1f} are free; give it more (shm_size of a container, an emptyDir of "
                "medium Memory in Kubernetes), or have smaller pictures (max_height) or fewer feeds"
            )
        super().__init__(path, capacity_bytes)

    def has_room(self, image: np.ndarray) -> bool:
        return image.nbytes <= self._capacity

    def write(self, sequence: int, image: np.ndarray) -> None:
        """Put a picture, uint8 of shape (height, width, 3), under a number that rises from 1."""
        start = (sequence % _SLOTS) * self._stride
        height, width = image.shape[:2]
        _HEADER.pack_into(self._map, start, 0, height, width, 0)
        body = start + _HEADER.size
        self._map[body : body + image.nbytes] = np.ascontiguousarray(image).data.cast("B")
        _HEADER.pack_into(self._map, start, sequence, height, width, sequence)


class SlotReader(_Slots):
    """Reads what a `SlotWriter` of another process writes."""

    def read(self, sequence: int) -> np.ndarray | None:
        """A copy of the picture with this number; None if it was written over."""
        start = (sequence % _SLOTS) * self._stride
        begin, height, width, end = _HEADER.unpack_from(self._map, start)
        if (begin, end) != (sequence, sequence):
            return None
        body = start + _HEADER.size
        image = np.frombuffer(self._map[body : body + height * width * 3], np.uint8)
        if _HEADER.unpack_from(self._map, start)[0] != sequence:
            return None
        return image.reshape(height, width, 3)


def frames_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for pictures, in memory where there is such a file system.

    Those of processes that were killed are removed: what is in memory stays until somebody does.
    """
    shared = Path("/dev/shm")
    place = shared if os.access(shared, os.W_OK) else None
    remove_folders_of_the_dead(_FRAMES, place)
    return tempfile.TemporaryDirectory(prefix=f"{_FRAMES}{os.getpid()}-", dir=place)
