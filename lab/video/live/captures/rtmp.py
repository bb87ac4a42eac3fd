"""RTMP: a publisher such as OBS sends here, if it knows the app and the stream key."""

from __future__ import annotations

import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lab.errors import SettingError, SourceError
from lab.video.live.capture import Capture, Captured, Left
from lab.video.live.pictures import checked_height
from lab.video.live.rtmp_connection import AUDIO, VIDEO, Message, RefusedError, RtmpConnection

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_FLV_HEAD = b"FLV\x01\x01\x00\x00\x00\x09\x00\x00\x00\x00"  # pictures only
_NEGOTIATE_S = 10.0
_SAID_EVERY_S = 1.0
_MAX_STRANGERS = 8
_MAX_SOUND_ONLY_MS = 10_000


class RtmpCapture(Capture):
    """Waits for one publisher.

    key: the stream key that it must give, as a password. app: the first part of the path of its
    address, `rtmp://host:port/app`. host, port: where to listen; by default this computer alone
    can reach it, 0.0.0.0 lets all others try.

    Raises SettingError for anything else.
    """

    keeps_to_addresses = True

    def __init__(
        self,
        key: str,
        *,
        app: str = "live",
        host: str = "127.0.0.1",
        port: int = 1935,
        max_height: int | None = None,
    ) -> None:
        if not isinstance(key, str) or not key.strip():
            raise SettingError("key must be the stream key that a publisher has to give; set one")
        if not isinstance(app, str) or not app.strip("/"):
            raise SettingError(f"app must be a name, such as live, got {app!r:.80}")
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
            raise SettingError(f"port must be a number from 1 to 65535, got {port!r:.80}")
        if not isinstance(host, str) or not host:
            raise SettingError(f"host must be an address of this computer, got {host!r:.80}")
        self._key, self._app, self._host, self._port = key, app.strip("/"), host, port
        self.max_height = checked_height(max_height)
        self._open = ExitStack()
        self.stream: VideoStream | None = None

    def read(self) -> Iterator[Captured]:
        """See `lab.video.live.capture.Capture`. Raises `Left` when the publisher has gone."""
        import av

        door = self._open.enter_context(_Door(self._host, self._port, self._app, self._key))
        while (publisher := door.publisher(_SAID_EVERY_S)) is None:
            yield Captured(waiting=door.waiting)
        try:
            container: Any = self._open.enter_context(
                av.open(_Flv(publisher), format="flv", options={"fpsprobesize": "0"})
            )
            self.stream = stream = container.streams.video[0]
            stream.codec_context.thread_type = "SLICE"
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                try:
                    yield Captured(packet, tuple(stream.codec_context.decode(packet)))
                except av.FFmpegError:
                    yield Captured(packet)
        except (av.FFmpegError, IndexError):
            pass  # it broke off, or sent no picture at all
        except RefusedError as error:
            raise SourceError(f"{door.name}: the publisher was let go: {error}") from None
        raise Left("the publisher has gone")

    def time_base(self) -> Fraction:
        assert self.stream is not None
        assert self.stream.time_base is not None
        return self.stream.time_base

    def close(self) -> None:
        self._open.close()


class _Flv:
    """What a publisher sends, as the FLV file that FFmpeg reads."""

    name = "rtmp.flv"

    def __init__(self, publisher: RtmpConnection) -> None:
        self._publisher = publisher
        self._left = _FLV_HEAD
        self._has_pictures = False
        self._error: RefusedError | None = None

    def read(self, count: int) -> bytes:
        """At most `count` bytes; none when the publisher has gone."""
        while not self._left:
            try:
                self._left = self._tag(self._publisher.media())
            except (EOFError, OSError):
                return b""
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def _tag(self, message: Message) -> bytes:
        is_sound = message.kind == AUDIO and not self._has_pictures
        if is_sound and message.time_ms > _MAX_SOUND_ONLY_MS:
            raise RefusedError("it sends sound, and no pictures")
        if message.kind != VIDEO:
            return b""
        self._has_pictures = True
        size, time_ms = len(message.body), message.time_ms
        head = struct.pack(">I", size | VIDEO << 24)
        clock = (time_ms & 0xFFFFFF).to_bytes(3, "big") + bytes([time_ms >> 24 & 0xFF])
        tag = head + clock + bytes(3) + message.body
        return tag + struct.pack(">I", len(tag))


class _Door:
    """Listens, and lets one publisher in; the others are told why not. A context manager."""

    def __init__(self, host: str, port: int, app: str, key: str) -> None:
        self.name = f"rtmp://{host}:{port}/{app}"
        self._asked = (host, port, app, key)
        self._open = ExitStack()
        self._lock = threading.Lock()
        self._accepted: queue.Queue[RtmpConnection] = queue.Queue()
        self._has_one = False
        self._strangers: set[RtmpConnection] = set()
        self._refused = ""

    def __enter__(self) -> _Door:
        host, port, _, _ = self._asked
        try:
            place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = socket.socket(place[0], place[1])
            self._open.callback(listener.close)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place[4])
            listener.listen(_MAX_STRANGERS)
        except OSError as error:
            raise SourceError(
                f"{self.name} cannot be listened on: {error.strerror or error}; "
                "end what uses the port, or give another one"
            ) from None
        threading.Thread(target=self._serve, args=(listener,), daemon=True, name="rtmp").start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()
        with self._lock:
            for one in self._strangers:
                one.close()

    @property
    def waiting(self) -> str:
        return f"waiting for a publisher at {self.name}{self._refused}"

    def publisher(self, timeout_s: float) -> RtmpConnection | None:
        """The one that was let in, once it is there."""
        try:
            return self._accepted.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                link, place = listener.accept()
            except OSError:
                return
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection = RtmpConnection(link, time.monotonic() + _NEGOTIATE_S)
            with self._lock:
                if len(self._strangers) >= _MAX_STRANGERS:
                    connection.close()
                    continue
                self._strangers.add(connection)
            threading.Thread(
                target=self._meet, args=(connection, str(place[0])), daemon=True, name="publisher"
            ).start()

    def _meet(self, connection: RtmpConnection, whence: str) -> None:
        _, _, app, key = self._asked
        try:
            connection.negotiate(app, key)
            with self._lock:
                is_first, self._has_one = not self._has_one, True
            if is_first:
                connection.accept()
                self._accepted.put(connection)
                self._open.callback(connection.close)
                return
            connection.refuse("somebody publishes already")
        except RefusedError as error:
            self._refused = f"; one from {whence} was refused: {error}"
        except (EOFError, OSError):
            pass  # it left, or was too slow
        finally:
            with self._lock:
                self._strangers.discard(connection)
        connection.part()
