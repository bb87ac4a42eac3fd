"""A service of its own port: bound first, so that a wrong address is said before a model loads."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn

from lab.app.server.refusing_sockets import RefusingSockets
from lab.errors import LabError, SettingError

# How long a client may leave unread what it was sent, before its connection is broken off: else one
# that reads nothing would keep it for ever, also where it was parted with.
UNREAD_S = 120


@dataclass(frozen=True)
class Bound:
    """A socket that is taken, and its address as programs write it."""

    socket: socket.socket
    url: str


@contextmanager
def bound(host: str, port: int) -> Iterator[Bound]:
    """A TCP socket at an address. port: 0 for one that is free.

    Raises SettingError for what is no port, LabError if the address cannot be used.
    """
    if not 0 <= port <= 65_535:
        raise SettingError(f"a port is from 0 to 65535, got {port}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        # asyncio sends at once (TCP_NODELAY) where the protocol is named; else answers in two
        # pieces, head and body, wait 40 ms for the client's delayed acknowledgement.
        taken = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise LabError(f"{host} is no address of this machine ({error}); give another") from None
    with taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # of Linux; connections have it of their listener
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_S * 1000)
        try:
            taken.bind(address)
            taken.listen(2048)  # who comes while a model is loaded waits, and is not refused
        except OSError as error:
            why = error.strerror or error
            raise LabError(f"{host}:{port} cannot be used ({why}); give another port") from None
        name = f"[{host}]" if ":" in host else host
        yield Bound(taken, f"http://{name}:{taken.getsockname()[1]}")


def serve_app(
    app: Any, at: Bound, *, at_end: Callable[[], None] = lambda: None, **settings: Any
) -> None:
    """Answer requests until SIGTERM or Ctrl+C; what is under way gets ten seconds to end.

    at_end: called as soon as a signal came; it may not wait. settings: of uvicorn, over ours.
    """
    ours: dict[str, Any] = {
        "ws": RefusingSockets,
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "date_header": False,
        "timeout_graceful_shutdown": 10,
        "lifespan": "off",
    }
    _Server(uvicorn.Config(app, **{**ours, **settings}), at_end).run(sockets=[at.socket])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, at_end: Callable[[], None]) -> None:
        super().__init__(config)
        self._at_end = at_end

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._at_end()
        super().handle_exit(sig, frame)
