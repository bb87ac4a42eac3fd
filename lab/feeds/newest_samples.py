"""The newest samples of a feed with their boxes, for those who watch it.

A small file in the feed's folder, a ring of slots, which the watching process writes while somebody
watches: a sample's boxes are there when it is decided, and in the log when the next part is full.
Nobody waits for anybody, and nothing is read from it but to be shown.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from lab.detection import Detections
from lab.frame import FrameStamp
from lab.video.source import SKIPPED

NAME = "newest_samples"
_FILE = struct.Struct("<8sQ")  # what it is, and the number of the newest sample
_MAGIC = b"labsamp2"
_SLOT = struct.Struct("<QII")  # number, bytes, CRC-32 of the bytes
_SLOTS = 64
_SLOT_BYTES = 16 << 10
_MOST_BOXES = 200  # of a sample: more of them are no picture to look at
Sample = dict[str, Any]


class NewestSamples:
    """Writes the file while somebody watches. path: of the file. For one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._until = 0.0
        self._file: BinaryIO | None = None
        self._number = 0
        self._last: tuple[str, int] | None = None  # its run and time, also of one left out

    def ask(self, for_s: float) -> None:
        """Somebody watches for so long; may be called from any thread."""
        self._until = time.monotonic() + for_s

    def put(self, run_id: str, stamp: FrameStamp, found: Detections) -> None:
        """A sample that was decided. It is left out where nobody watches, or the disk is full; and
        one that was skipped, since what was seen before it is shown on.
        """
        if found.gated == SKIPPED:
            return
        before = self._last
        self._last = (run_id, stamp.pts_us)
        if time.monotonic() > self._until:
            return
        after_us = before[1] if before is not None and before[0] == run_id else None
        with suppress(OSError):
            sample = {**sample_of(stamp, found), "after_us": after_us}
            self._write(json.dumps([run_id, sample]).encode())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def _write(self, content: bytes) -> None:
        if len(content) > _SLOT_BYTES - _SLOT.size:
            return
        file = self._file or self._open()
        number = self._number + 1
        file.seek(_place(number))
        file.write(_SLOT.pack(number, len(content), zlib.crc32(content)) + content)
        file.seek(0)
        file.write(_FILE.pack(_MAGIC, number))
        self._number = number

    def _open(self) -> BinaryIO:
        """The file that is there, so that those who read it go on."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        self._file = file = os.fdopen(handle, "r+b", buffering=0)
        self._number = _newest_in(file)
        return file


class SamplesReader:
    """Reads the file from another process. Raises OSError where there is none."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb", buffering=0)
        self._seen = max(0, _newest_in(self._file) - _SLOTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def read(self, run_id: str | None) -> list[Sample]:
        """Those of a run that came since the last call, oldest first; the first call gives all
        that are there. `after_us` of each is the time of the one before it, whether or not that is
        among them; None of the first one of a run.
        """
        newest = _newest_in(self._file)
        first = max(self._seen + 1, newest - _SLOTS + 1)
        self._seen = newest
        found = (self._slot(number) for number in range(first, newest + 1))
        return [one[1] for one in found if one is not None and one[0] == run_id]

    def _slot(self, number: int) -> tuple[str, Sample] | None:
        self._file.seek(_place(number))
        content = self._file.read(_SLOT_BYTES)
        if len(content) < _SLOT.size:
            return None
        own, size, crc = _SLOT.unpack_from(content)
        body = content[_SLOT.size : _SLOT.size + size]
        if own != number or zlib.crc32(body) != crc:  # it was written over
            return None
        run_id, sample = json.loads(body)
        return run_id, sample


def sample_of(stamp: FrameStamp, found: Detections) -> Sample:
    """A sample as pages take it: `pts_us`, `frame_index`, `wall_time`, `state` (ok, failed, gated),
    `why` it is not ok, and `boxes`: label, confidence, and xyxy in whole pixels; of very many the
    strongest. `texts`: what was read in each, where a detector reads.
    """
    failed = stamp.error or found.error
    why = failed or found.gated
    rows = np.arange(len(found))
    if len(rows) > _MOST_BOXES:
        rows = np.sort(np.argsort(-found.confidence, kind="stable")[:_MOST_BOXES])
    confidence = found.confidence[rows].tolist()
    boxes = np.rint(found.box_xyxy_px[rows]).astype(int).tolist()
    texts = {} if found.text is None else {"texts": [found.text[row] for row in rows.tolist()]}
    return {
        "pts_us": stamp.pts_us,
        "frame_index": stamp.index,
        "wall_time": stamp.wall_time,
        "state": "failed" if failed else "gated" if why else "ok",
        "boxes": [
            [found.labels[row], round(score, 4), *box]
            for row, score, box in zip(rows.tolist(), confidence, boxes, strict=True)
        ],
        **texts,
        **({"why": why} if why else {}),
    }


def _place(number: int) -> int:
    return _FILE.size + (number % _SLOTS) * _SLOT_BYTES


def _newest_in(file: BinaryIO) -> int:
    """0 before the first sample."""
    file.seek(0)
    content = file.read(_FILE.size)
    if len(content) < _FILE.size:
        return 0
    magic, number = _FILE.unpack(content)
    return int(number) if magic == _MAGIC else 0
