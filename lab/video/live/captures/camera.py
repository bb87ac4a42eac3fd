"""A virtual camera: pictures over a WebSocket, a JSON message each."""

from __future__ import annotations

import base64
import binascii
import json
import math
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from lab.errors import SettingError, SourceError
from lab.extras import need
from lab.video.live.capture import Capture, Captured
from lab.video.live.captures.pictures import TIME_BASE, PictureDecoder
from lab.video.live.captures.stream import without_password
from lab.video.live.pictures import checked_height

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_PATH = "/ws/stream"
_MAX_BYTES = 64 << 20
_BEAT_S = 1.0


class CameraCapture(Capture):
    """Messages `{"frame_id", "timestamp" (Unix seconds), "image" (base64 JPEG)}`.

    url: ws, wss, http or https; without a path it is `/ws/stream`. connect_s: how long connecting
    may take. Numbers that are left out are counted as missed. Raises SettingError.
    """

    keeps_to_addresses = True

    def __init__(self, url: str, *, max_height: int | None = None, connect_s: float = 10.0) -> None:
        self.max_height = checked_height(max_height)
        self._url = _checked(url)
        self._name = without_password(self._url)
        self._connect_s = connect_s
        self._decoder = PictureDecoder()
        self._last_id: int | None = None
        self._open = ExitStack()

    def read(self) -> Iterator[Captured]:
        """See `lab.video.live.capture.Capture`."""
        need("source camera", "live", "websockets", error=SourceError)
        from websockets.exceptions import ConnectionClosed, WebSocketException
        from websockets.sync.client import connect

        joined = self._checked_socket()
        try:
            connection = self._open.enter_context(
                connect(
                    self._url,
                    sock=joined,
                    max_size=_MAX_BYTES,
                    open_timeout=self._connect_s,
                    compression=None,
                )
            )
        except (OSError, WebSocketException, ValueError) as error:
            raise SourceError(f"{self._name} cannot be opened: {_why(error)}") from None
        while True:
            try:
                message = connection.recv(timeout=_BEAT_S)
            except TimeoutError:
                yield Captured(waiting=f"{self._name} sends nothing", is_down=True)
                continue
            except ConnectionClosed as error:
                raise SourceError(f"{self._name} broke off: {_why(error)}") from None
            yield self._captured(message)

    def _checked_socket(self) -> socket.socket | None:
        """A connection that the rules allow; None where all may be connected to."""
        if self.addresses.allows_private:
            return None
        parts = urlsplit(self._url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        try:
            return self.addresses.connect(str(parts.hostname), port, self._connect_s)
        except OSError as error:
            raise SourceError(f"{self._name} cannot be opened: {_why(error)}") from None

    def time_base(self) -> Fraction:
        return TIME_BASE

    def close(self) -> None:
        self._open.close()
        self._decoder.close()

    def _captured(self, message: str | bytes) -> Captured:
        frame_id, time_s, data = self._parsed(message)
        if self._last_id is not None and frame_id > self._last_id:
            self.missed += frame_id - self._last_id - 1
        self._last_id = frame_id
        captured = self._decoder.captured(data, round(time_s * 1e6), time_s)
        self.stream = self._decoder.stream
        return captured

    def _parsed(self, message: str | bytes) -> tuple[int, float, bytes]:
        try:
            values: dict[str, Any] = json.loads(message)
            frame_id, time_s = values["frame_id"], float(values["timestamp"])
            data = base64.b64decode(values["image"], validate=True)
        except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
            raise SourceError(self._unknown()) from None
        if not isinstance(frame_id, int) or not (math.isfinite(time_s) and 0 <= time_s < 1e11):
            raise SourceError(self._unknown())
        return frame_id, time_s, data

    def _unknown(self) -> str:
        return (
            f"{self._name} sends what is no picture of a virtual camera: a message needs frame_id, "
            "timestamp and image (base64 JPEG)"
        )


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises for what is no number)
    except (ValueError, AttributeError, TypeError) as error:
        shown = without_password(str(url))
        raise SettingError(f"url must be an address, got {shown!r:.80}: {error}") from None
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise SettingError(
            f"url must be ws://HOST:PORT{_PATH}, or with wss, http or https, "
            f"got {without_password(url)!r:.80}"
        )
    path = parts.path if parts.path not in ("", "/") else _PATH
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, parts.query, ""))


_REASONS = {
    "401": "user or password are wrong, or missing",
    "403": "it refuses this user",
    "404": "there is no such camera; check the path",
    "refused": "nothing answers there; check host and port",
    "not known": "there is no such host; check the spelling",
    "timed out": "it does not answer",
    "did not receive a valid http response": "what answers there is no WebSocket",
    "http 200": "what answers there is no WebSocket; check the path",
}


def _why(error: Exception) -> str:
    text = without_password(" ".join(str(error).split()))[:200]
    known = next((why for mark, why in _REASONS.items() if mark in text.lower()), None)
    return f"{known} ({text})" if known else text or type(error).__name__
