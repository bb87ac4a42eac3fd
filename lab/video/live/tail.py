"""The last packet of a file that is being written.

A muxer holds each packet back until it has seen the next one. It lies beside the file meanwhile, so
that it is there, too, if the process is killed.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

SUFFIX = ".tail"
_HEAD = struct.Struct("<QqqBQI")  # number, pts, dts, whether it is a keyframe, size, CRC
_NONE = -(1 << 63)
_START_CODE = re.compile(rb"\x00\x00\x01")
_WITH_START_CODES = ("h264", "hevc")


class Tail:
    """Keeps one packet after the other in the same place. Raises OSError where it cannot."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def keep(self, number: int, packet: av.Packet) -> None:
        """number: of the packet in its file, from 0."""
        data = bytes(packet)
        pts, dts = (_NONE if ticks is None else ticks for ticks in (packet.pts, packet.dts))
        head = _HEAD.pack(number, pts, dts, packet.is_keyframe, len(data), zlib.crc32(data))
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, head + data)

    def remove(self) -> None:
        """The file beside it is whole."""
        os.close(self._file)
        with suppress(OSError):
            self._path.unlink()


def read_tail(path: Path, number: int) -> av.Packet | None:
    """The packet of that number, with the times of its file; None if it is not there."""
    import av

    try:
        content = path.read_bytes()
        found, pts, dts, is_keyframe, size, check = _HEAD.unpack_from(content)
    except (OSError, struct.error):
        return None
    data = content[_HEAD.size : _HEAD.size + size]
    if found != number or zlib.crc32(data) != check:
        return None
    packet = av.Packet(data)
    packet.pts, packet.dts = (None if ticks == _NONE else ticks for ticks in (pts, dts))
    packet.is_keyframe = bool(is_keyframe)
    return packet


def as_in_mp4(data: bytes, codec: str, extradata: bytes | None) -> bytes:
    """The bytes of a packet as an MP4 file holds them: H.264 and H.265 with lengths, where cameras
    send start codes.
    """
    has_lengths = extradata is not None and extradata[:1] == b"\x01"
    if codec not in _WITH_START_CODES or not has_lengths:
        return data
    if not data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return data
    units = (unit.rstrip(b"\0") for unit in _START_CODE.split(data))
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units if unit)
