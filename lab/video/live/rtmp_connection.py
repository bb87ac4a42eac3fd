"""One publisher's side of RTMP: handshake, chunks, and the commands up to its publishing.

Written here since FFmpeg's listener takes a publisher whatever its app and stream key are. Nothing
that comes before both were found right is kept or decoded.
"""

from __future__ import annotations

import hmac
import os
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from lab.video.live import amf0

_VERSION = 3
_HANDSHAKE_BYTES = 1536
_MAX_COMMAND_BYTES = 64 << 10
_MAX_MESSAGE_BYTES = 16 << 20
_MAX_STREAMS = 64
_WINDOW_BYTES = 2_500_000
_MAX_COMMANDS = 64
_PART_S = 1.0
SET_CHUNK_SIZE, ABORT, ACKNOWLEDGEMENT, USER_CONTROL, WINDOW, BANDWIDTH = 1, 2, 3, 4, 5, 6
AUDIO, VIDEO, COMMAND_3, DATA, COMMAND = 8, 9, 17, 18, 20
_CLOSING = frozenset(("FCUnpublish", "closeStream", "deleteStream"))


class RefusedError(Exception):
    """The other side is no publisher that is wanted; its text says why, without the key."""


class Message(NamedTuple):
    """kind: one of the numbers above. time_ms: of its own clock."""

    kind: int
    time_ms: int
    body: bytes


@dataclass
class _ChunkStream:
    """What of a message has come so far, and what the next chunk may leave out."""

    time_ms: int = 0
    step_ms: int = 0
    length: int = 0
    kind: int = 0
    is_extended: bool = False
    body: bytearray | None = None


class RtmpConnection:
    """Talks to one publisher over a socket, which it closes.

    deadline: by `time.monotonic`, until when it must have published.
    """

    def __init__(self, link: socket.socket, deadline: float) -> None:
        self._link, self._deadline = link, deadline
        self._buffer = bytearray()
        self._chunk_bytes = 128
        self._streams: dict[int, _ChunkStream] = {}
        self._max_bytes = _MAX_COMMAND_BYTES
        self._received = self._acknowledged = 0
        self._window = _WINDOW_BYTES
        self.is_publishing = False

    def close(self) -> None:
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        self._link.close()

    def part(self) -> None:
        """Close it once the other side has read what was said last."""
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_WR)
            self._link.settimeout(_PART_S)
            while self._link.recv(1 << 16):
                pass
        self.close()

    def negotiate(self, app: str, key: str) -> None:
        """Up to the moment at which it asks to publish with the right app and key.

        Raises RefusedError, EOFError if it left, OSError if it is too slow or broke off.
        """
        self._shake_hands()
        has_connected = False
        for _ in range(_MAX_COMMANDS):
            name, number, values = self._command()
            if name == "connect":
                self._check_app(values, app, number)
                has_connected = True
            elif name == "createStream":
                self._answer("_result", number, None, 1)
            elif name in ("releaseStream", "FCPublish"):
                self._answer("_result", number, None, None)
            elif name == "publish" and has_connected:
                self._check_key(values, key)
                return
            elif name != "_checkbw":
                self._status("error", "NetStream.Failed", "only publishing is possible here")
                raise RefusedError(f"it asked for {name[:40]!r}, not to publish")
        raise RefusedError("it did not publish")

    def accept(self) -> None:
        """Tell it that it may send, without a limit on the time that it takes."""
        self._max_bytes = _MAX_MESSAGE_BYTES
        self.is_publishing = True
        self._link.settimeout(None)
        self._status("status", "NetStream.Publish.Start", "publishing")

    def refuse(self, why: str) -> None:
        """Say that this name cannot be published."""
        with suppress(OSError):
            self._status("error", "NetStream.Publish.BadName", why)

    def media(self) -> Message:
        """The next message with sound, pictures or data. Raises EOFError when it has left."""
        while True:
            message = self._message()
            if message.kind in (AUDIO, VIDEO, DATA):
                return message
            if message.kind == COMMAND and _name_of(message.body) in _CLOSING:
                raise EOFError

    # Commands

    def _command(self) -> tuple[str, float, list[Any]]:
        while True:
            message = self._message()
            if message.kind in (COMMAND, COMMAND_3):
                body = message.body[1:] if message.kind == COMMAND_3 else message.body
                try:
                    name, number, *values = amf0.decode(body)
                except ValueError as error:
                    raise RefusedError(f"its command is damaged: {error}") from None
                if not isinstance(name, str) or not isinstance(number, float):
                    raise RefusedError("its command has no name or number")
                return name, number, values

    def _check_app(self, values: list[Any], app: str, number: float) -> None:
        asked = values[0].get("app") if values and isinstance(values[0], dict) else None
        if not isinstance(asked, str) or not _is_same(asked.rstrip("/"), app):
            self._answer(
                "_error",
                number,
                None,
                _status_of("error", "NetConnection.Connect.Rejected", "there is no such app"),
            )
            raise RefusedError("it asked for another app")
        self._send(2, WINDOW, struct.pack(">I", _WINDOW_BYTES))
        self._send(2, BANDWIDTH, struct.pack(">IB", _WINDOW_BYTES, 2))
        self._answer(
            "_result",
            number,
            {"fmsVer": "FMS/3,0,1,123", "capabilities": 31},
            _status_of("status", "NetConnection.Connect.Success", "connected"),
        )

    def _check_key(self, values: list[Any], key: str) -> None:
        asked = values[1] if len(values) > 1 else None
        if not isinstance(asked, str) or not _is_same(asked, key):
            self.refuse("the stream key is wrong")
            raise RefusedError("its stream key is wrong")

    def _answer(self, name: str, number: float, *values: object) -> None:
        self._send(3, COMMAND, amf0.encode(name, number, *values))

    def _status(self, level: str, code: str, description: str) -> None:
        values = amf0.encode("onStatus", 0, None, _status_of(level, code, description))
        self._send(5, COMMAND, values, stream_id=1)

    # Bytes

    def _shake_hands(self) -> None:
        version = self._take(1)[0]
        if version != _VERSION:
            raise RefusedError(f"it does not speak RTMP (version {version})")
        asked = self._take(_HANDSHAKE_BYTES)
        mine = bytes(8) + os.urandom(_HANDSHAKE_BYTES - 8)
        self._write(bytes([_VERSION]) + mine + asked)
        self._take(_HANDSHAKE_BYTES)

    def _send(self, chunk_stream: int, kind: int, body: bytes, stream_id: int = 0) -> None:
        head = struct.pack(">BBHBHB", chunk_stream, 0, 0, 0, len(body), kind)
        parts = [body[i : i + 128] for i in range(0, len(body), 128)]
        between = bytes([0xC0 | chunk_stream])
        self._write(head + struct.pack("<I", stream_id) + between.join(parts))

    def _message(self) -> Message:
        """The next one that is whole; those about the protocol itself are obeyed."""
        while True:
            message = self._chunk()
            if message is None:
                continue
            if message.kind == SET_CHUNK_SIZE:
                self._chunk_bytes = _number(message.body)
                if not 1 <= self._chunk_bytes <= _MAX_MESSAGE_BYTES:
                    raise RefusedError(f"its chunks have {self._chunk_bytes} bytes")
            elif message.kind == WINDOW:
                self._window = max(1, _number(message.body))
            elif message.kind == ABORT:
                self._streams.pop(_number(message.body), None)
            else:
                return message

    def _chunk(self) -> Message | None:
        first = self._take(1)[0]
        form, number = first >> 6, first & 0x3F
        if number < 2:
            number = 64 + int.from_bytes(self._take(number + 1), "little")
        if number not in self._streams and len(self._streams) >= _MAX_STREAMS:
            raise RefusedError(f"it uses more than {_MAX_STREAMS} chunk streams")
        stream = self._streams.setdefault(number, _ChunkStream())
        self._read_head(stream, form)
        assert stream.body is not None
        stream.body += self._take(min(self._chunk_bytes, stream.length - len(stream.body)))
        if len(stream.body) < stream.length:
            return None
        body, stream.body = bytes(stream.body), None
        return Message(stream.kind, stream.time_ms, body)

    def _read_head(self, stream: _ChunkStream, form: int) -> None:
        """What a chunk says of its message; what it leaves out is as in the one before."""
        head = self._take((11, 7, 3, 0)[form])
        begins = stream.body is None
        time_ms = 0
        if form < 3:
            time_ms = int.from_bytes(head[:3], "big")
            stream.is_extended = time_ms == 0xFFFFFF
            begins = True
        if form < 2:
            stream.length, stream.kind = int.from_bytes(head[3:6], "big"), head[6]
        if stream.is_extended:
            time_ms = int.from_bytes(self._take(4), "big")
        if form == 0:
            stream.time_ms, stream.step_ms = time_ms, 0
        elif form < 3:
            stream.step_ms = time_ms
        if begins:
            self._check_length(stream)
            stream.body = bytearray()
            if form:
                stream.time_ms = (stream.time_ms + stream.step_ms) & 0xFFFFFFFF

    def _check_length(self, stream: _ChunkStream) -> None:
        unfinished = sum(len(one.body) for one in self._streams.values() if one.body is not None)
        if stream.length + unfinished > self._max_bytes:
            raise RefusedError(f"its message of {stream.length} bytes is too long")

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._buffer += self._read()
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _read(self) -> bytes:
        if not self.is_publishing:
            left_s = self._deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._link.settimeout(left_s)
        data = self._link.recv(1 << 16)
        if not data:
            raise EOFError
        self._received += len(data)
        if self._received - self._acknowledged >= self._window // 2:
            self._acknowledged = self._received
            self._send(2, ACKNOWLEDGEMENT, struct.pack(">I", self._received & 0xFFFFFFFF))
        return data

    def _write(self, data: bytes) -> None:
        self._link.sendall(data)


def _is_same(one: str, other: str) -> bool:
    """Takes as long wherever they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _number(body: bytes) -> int:
    if len(body) < 4:
        raise RefusedError("its control message is too short")
    return int.from_bytes(body[:4], "big")


def _name_of(body: bytes) -> str | None:
    try:
        values = amf0.decode(body)
    except ValueError:
        return None
    return values[0] if values and isinstance(values[0], str) else None


def _status_of(level: str, code: str, description: str) -> dict[str, str]:
    return {"level": level, "code": code, "description": description}
