"""The camera of a browser: the app passes on the pictures that a page sends."""

from __future__ import annotations

import json
import math
import secrets
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from lab.atomic_file import write_atomically
from lab.errors import SettingError, SourceError
from lab.video.live.capture import Capture, Captured
from lab.video.live.captures.pictures import TIME_BASE, PictureDecoder
from lab.video.live.pictures import checked_height

MAX_BYTES = 8 << 20
NOBODY = "no browser sends the picture of its camera; open the page of this feed and allow it"
TIME = struct.Struct("!d")  # Unix seconds
HEADER = struct.Struct("!dI")  # Unix seconds of the picture, bytes of the JPEG that follows
_FILE = "webcam.json"
_TOKEN_BYTES = 32
_BEAT_S = 0.5
_GREETING_S = 2.0


class WebcamCapture(Capture):
    """Listens on this computer for whoever knows the token that lies in `state_folder`.

    The newest browser counts: the one before it is let go. Raises SettingError without a feed.
    """

    keeps_to_addresses = True

    def __init__(self, *, max_height: int | None = None, state_folder: str | None = None) -> None:
        self.max_height = checked_height(max_height)
        if state_folder is None:
            raise SettingError("webcam works in a feed only: its browser must find it")
        self._folder = Path(state_folder)
        self._decoder = PictureDecoder()
        self._listening: socket.socket | None = None
        self._browser: socket.socket | None = None
        self._token = secrets.token_hex(_TOKEN_BYTES // 2)
        self._buffer = b""

    def read(self) -> Iterator[Captured]:
        """See `lab.video.live.capture.Capture`."""
        try:
            self._listening = socket.create_server(("127.0.0.1", 0))
            self._folder.mkdir(parents=True, exist_ok=True)
            port = self._listening.getsockname()[1]
            file = write_atomically(
                self._folder / _FILE, json.dumps({"port": port, "token": self._token})
            )
            with suppress(OSError):
                file.chmod(0o600)
        except OSError as error:
            raise SourceError(f"webcam cannot listen: {error.strerror or error}") from None
        while True:
            self._accept()
            if self._browser is None:
                yield Captured(waiting=NOBODY, is_down=True)
                continue
            newest = self._newest()
            if newest is None:
                yield Captured(waiting=NOBODY, is_down=True)
            else:
                time_s, data = newest
                captured = self._decoder.captured(data, round(time_s * 1e6), time_s)
                self.stream = self._decoder.stream
                yield captured

    def time_base(self) -> Fraction:
        return TIME_BASE

    def close(self) -> None:
        for one in (self._browser, self._listening):
            if one is not None:
                one.close()
        self._browser = self._listening = None
        with suppress(OSError):
            (self._folder / _FILE).unlink()
        self._decoder.close()

    def _accept(self) -> None:
        """Who waits, if any; where nobody sends yet, for a moment."""
        assert self._listening is not None
        self._listening.settimeout(_BEAT_S if self._browser is None else 0.0)
        try:
            joined, _ = self._listening.accept()
        except (TimeoutError, BlockingIOError):
            return
        joined.settimeout(_GREETING_S)
        try:
            said = _exactly(joined, _TOKEN_BYTES, b"")[0]
        except OSError:
            said = b""
        if not secrets.compare_digest(said, self._token.encode()):
            joined.close()
            return
        if self._browser is not None:
            self._browser.close()
        self._browser, self._buffer = joined, b""

    def _newest(self) -> tuple[float, bytes] | None:
        """The next picture; None where none came for a moment, or the browser has gone."""
        assert self._browser is not None
        self._browser.settimeout(_BEAT_S)
        try:
            if len(self._buffer) < HEADER.size:
                self._receive()
            if len(self._buffer) >= HEADER.size:
                time_s, length = HEADER.unpack_from(self._buffer)
                if not 0 < length <= MAX_BYTES or not (math.isfinite(time_s) and time_s >= 0):
                    raise OSError("no picture")
                began = time.monotonic()
                while len(self._buffer) < HEADER.size + length:
                    self._receive()
                    if time.monotonic() - began > _GREETING_S:
                        raise OSError("it stopped in the middle of a picture")
                end = HEADER.size + length
                data, self._buffer = self._buffer[HEADER.size : end], self._buffer[end:]
                return time_s, data
        except TimeoutError:
            return None
        except OSError:
            self._browser.close()
            self._browser, self._buffer = None, b""
        return None

    def _receive(self) -> None:
        assert self._browser is not None
        received = self._browser.recv(1 << 16)
        if not received:
            raise ConnectionError("the browser has gone")
        self._buffer += received


def _exactly(connection: socket.socket, count: int, kept: bytes) -> tuple[bytes, bytes]:
    """So many bytes, and what came after them."""
    while len(kept) < count:
        received = connection.recv(count - len(kept))
        if not received:
            raise ConnectionError("it ended")
        kept += received
    return kept[:count], kept[count:]


def reach(state_folder: Path, timeout_s: float = 2.0) -> socket.socket:
    """A connection to the capture of a feed, which takes pictures as `HEADER` and JPEG.

    Raises SourceError where that feed does not run, or is no webcam.
    """
    try:
        kept = json.loads((state_folder / _FILE).read_text(encoding="utf-8"))
        connection = socket.create_connection(("127.0.0.1", int(kept["port"])), timeout_s)
    except (OSError, ValueError, KeyError, TypeError):
        raise SourceError("this feed does not wait for a browser's camera; start it") from None
    connection.sendall(str(kept["token"]).encode())
    return connection
