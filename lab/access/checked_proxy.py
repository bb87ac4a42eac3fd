"""A proxy on this machine that connects only where the rules allow.

FFmpeg, yt-dlp and HTTP libraries follow redirects and playlists by themselves, and ask for names
again with each connection: behind this proxy all of that is checked where it is connected.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

from lab.access.addresses import AddressError, AddressRules
from lab.errors import SourceError

_MAX_HEAD_BYTES = 64 << 10
_HEAD_S, _CONNECT_S, _SILENT_S = 10.0, 10.0, 60.0
_MAX_CONNECTIONS = 64
_DROPPED = ("proxy-authorization", "proxy-connection", "connection", "keep-alive")


class CheckedProxy:
    """A context manager. url: what a library takes as its proxy; it holds a password of its own, so
    that no other user of this machine can use it. refused: why the last connection was refused.
    """

    def __init__(self, rules: AddressRules) -> None:
        self._rules = rules
        self._password = secrets.token_urlsafe(16)
        self._listening: socket.socket | None = None
        self._places = threading.Semaphore(_MAX_CONNECTIONS)
        self.url = ""
        self.refused: str | None = None

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://lab:{self._password}@127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True, name="checked proxy").start()
        return self

    def __exit__(self, *exc: object) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # else accept() waits on
            listening.close()

    def _accept(self) -> None:
        while (listening := self._listening) is not None:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, self._places, suppress(OSError, ValueError):
            client.settimeout(_HEAD_S)
            head, rest = _head(client)
            line, *lines = head.decode("latin-1").split("\r\n")
            method, target, version = line.split(" ")
            fields = [(name.strip(), value.strip()) for name, _, value in _pairs(lines)]
            if not self._knows(fields):
                more = 'Proxy-Authenticate: Basic realm="lab"\r\n'
                _answer(client, "407 Proxy Authentication Required", more)
                return
            try:
                server, first = self._connected(method, target, version, fields)
            except SourceError as error:
                self.refused = str(error)
                _answer(client, "403 Forbidden")
                return
            except OSError:
                _answer(client, "502 Bad Gateway")
                return
            with server:
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                server.sendall(first + rest)
                _pass_on_both(client, server)

    def _knows(self, fields: list[tuple[str, str]]) -> bool:
        expected = "Basic " + base64.b64encode(f"lab:{self._password}".encode()).decode()
        given = next((v for name, v in fields if name.lower() == "proxy-authorization"), "")
        return hmac.compare_digest(given.encode(), expected.encode())

    def _connected(
        self, method: str, target: str, version: str, fields: list[tuple[str, str]]
    ) -> tuple[socket.socket, bytes]:
        """The connection, and what is sent there before the rest. Raises AddressError, OSError."""
        if method == "CONNECT":
            parts = urlsplit(f"//{target}")
            if not parts.hostname or not parts.port:
                raise AddressError("that is no host with its port")
            return self._rules.connect(parts.hostname, parts.port, _CONNECT_S), b""
        host, port = self._rules.check(target, schemes=("http",))
        parts = urlsplit(target)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        kept = [(name, value) for name, value in fields if name.lower() not in _DROPPED]
        # One request a connection: the next one may be for another host, and is checked anew.
        lines = [f"{method} {path} {version}"]
        lines += [f"{name}: {value}" for name, value in [*kept, ("Connection", "close")]]
        server = self._rules.connect(host, port, _CONNECT_S)
        return server, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    """A request's head, and what came after it. Raises OSError."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = client.recv(1 << 14)
        if not more or len(received) > _MAX_HEAD_BYTES:
            raise ConnectionError("no request")
        received += more
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest


def _pairs(lines: list[str]) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in lines if line]


def _answer(client: socket.socket, status: str, more: str = "") -> None:
    head = f"HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n"
    client.sendall(head.encode())


def _pass_on_both(client: socket.socket, server: socket.socket) -> None:
    """Until either side has ended, or both are silent for long."""
    for one in (client, server):
        one.settimeout(_SILENT_S)
    back = threading.Thread(target=_pass_on, args=[client, server], daemon=True)
    back.start()
    _pass_on(server, client)
    for one in (client, server):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
    back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
