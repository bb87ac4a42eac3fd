"""A picture of a camera, as each kind of client gets it: made once for all of them."""

from __future__ import annotations

import base64
import json
import struct
from functools import cached_property

# Binary messages: version, length of this header, loop_index, frame_id, pts_us, timestamp (Unix
# seconds), width, height; little-endian. A JPEG follows.
HEADER = struct.Struct("<HHIQqdII")
VERSION = 1
BOUNDARY = "frame"
_TEXT, _BINARY = 0x81, 0x82  # the last, and only, frame of a message (RFC 6455 5.2)


class Picture:
    """A frame of a camera that is to leave.

    due: of `time.monotonic`. timestamp: the same as Unix seconds. rate: frames a second.
    """

    def __init__(
        self,
        *,
        source: str,
        version: str,
        frame_id: int,
        due: float,
        timestamp: float,
        rate: float,
        pts_us: int,
        loop_index: int,
        size_px: tuple[int, int],
        jpeg: bytes,
    ) -> None:
        self.frame_id, self.due, self.timestamp, self.jpeg = frame_id, due, timestamp, jpeg
        self.pts_us, self.loop_index, self._size_px = pts_us, loop_index, size_px
        self._facts = {
            "source": source,
            "version": version,
            "frame_id": frame_id,
            "timestamp": timestamp,
            "fps": max(1, round(rate)),
            "pts_s": pts_us / 1e6,
            "loop_index": loop_index,
        }

    @cached_property
    def text(self) -> bytes:
        """The JSON message, as a frame of a WebSocket."""
        facts = json.dumps(self._facts, separators=(",", ":"))[:-1].encode()
        image = base64.b64encode(self.jpeg)
        return _framed(_TEXT, facts + b',"image":"' + image + b'"}')

    @cached_property
    def binary(self) -> bytes:
        """`HEADER` and the JPEG, as a frame of a WebSocket."""
        header = HEADER.pack(
            VERSION,
            HEADER.size,
            self.loop_index,
            self.frame_id,
            self.pts_us,
            self.timestamp,
            *self._size_px,
        )
        return _framed(_BINARY, header + self.jpeg)

    @cached_property
    def part(self) -> bytes:
        """A part of `multipart/x-mixed-replace`."""
        head = (
            f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(self.jpeg)}\r\n"
            f"X-Frame-Id: {self.frame_id}\r\nX-Timestamp: {self.timestamp:.6f}\r\n"
            f"X-Pts: {self.pts_us / 1e6:.6f}\r\nX-Loop-Index: {self.loop_index}\r\n\r\n"
        )
        return head.encode() + self.jpeg + b"\r\n"


def _framed(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", kind, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", kind, 126, size)
    else:
        head = struct.pack("!BBQ", kind, 127, size)
    return head + payload
