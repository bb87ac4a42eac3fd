"""Cameras on a port: started, served, and ended together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from weakref import WeakValueDictionary

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from lab.app.server.camera.access import Access
from lab.app.server.camera.camera import Camera
from lab.app.server.camera.routes import Transports, camera_app
from lab.app.server.refusing_sockets import RefusingSockets
from lab.errors import LabError, SourceError
from lab.video.camera.fetched import fetched
from lab.video.camera.settings import ServiceSettings

_CLOSE_S = 1
_BACKLOG = 512
# How much of what was written may wait in the system until it is on its way: what a slow client has
# not got by then is replaced by something newer.
_UNSENT_BYTES = 256 << 10
_NOTSENT_LOWAT = 25  # of Linux and Android; Python 3.12 names it


def serve(
    settings: ServiceSettings,
    *,
    token: str | None,
    until: Callable[[asyncio.Event], None] | None = None,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until SIGTERM or Ctrl+C. token: what clients must send, None to let all in. until: is
    given an event (of the loop, to be set from it) that ends this as well. ready: is given the
    address once it is served.

    Raises SourceError for a video that cannot be played, LabError for a port that cannot be had.
    """
    logging.basicConfig(level=settings.log_level, format=settings.log_format)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its lines hold tokens of addresses
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    with ExitStack() as stack, _listening(settings) as listener:
        cameras = {
            one.name: Camera(one, stack.enter_context(fetched(one.video)), settings.limits)
            for one in settings.cameras
        }
        asyncio.run(_serve(settings, cameras, listener, token, until, ready))


async def _serve(
    settings: ServiceSettings,
    cameras: dict[str, Camera],
    listener: socket.socket,
    token: str | None,
    until: Callable[[asyncio.Event], None] | None,
    ready: Callable[[str], None],
) -> None:
    transports: Transports = WeakValueDictionary()
    app = Access(
        camera_app(cameras, transports), token=token, hosts=settings.hosts, origins=settings.origins
    )
    server = _Server(_configuration(app, settings, transports))
    async with AsyncExitStack() as stack:
        for one in cameras.values():
            stack.push_async_callback(one.close)
        await asyncio.gather(*(_opened(one) for one in cameras.values()))
        running = [asyncio.create_task(one.run()) for one in cameras.values()]
        stack.push_async_callback(_cancelled, running)
        ending = asyncio.create_task(_end(server, until))
        stack.callback(ending.cancel)
        host, port = listener.getsockname()[:2]
        ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        done, _ = await asyncio.wait([serving, *running], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        for task in done:
            task.result()  # a camera ends only by an error


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _opened(camera: Camera) -> None:
    try:
        await camera.open()
    except SourceError as error:
        raise SourceError(f"camera {camera.settings.name}: {error}") from None


async def _end(server: uvicorn.Server, until: Callable[[asyncio.Event], None] | None) -> None:
    """Have the server end on a signal, or when it is asked to."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    if until is not None:
        until(over)
    await over.wait()
    server.should_exit = True


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are handled outside, so that what was started is ended, too."""
        yield


def _configuration(
    app: Access, settings: ServiceSettings, transports: Transports
) -> uvicorn.Config:
    limits = settings.limits
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=_protocol(transports, limits.silence_s),
        ws=RefusingSockets,
        ws_max_size=limits.message_bytes,
        ws_ping_interval=limits.silence_s / 2,
        ws_ping_timeout=limits.silence_s / 2,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_CLOSE_S,
    )


def _protocol(transports: Transports, silence_s: float) -> type[H11Protocol]:
    class Connection(H11Protocol):
        """Notes its transport, and ends if nobody asks for anything, or for anything more."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if self.client is not None:
                transports[self.client] = transport
            self.loop.call_later(silence_s, self._end_if_silent, None)

        def on_response_complete(self) -> None:
            answered = self.cycle
            super().on_response_complete()  # the server's own wait ends with the next byte
            self.loop.call_later(silence_s, self._end_if_silent, answered)

        def _end_if_silent(self, last: RequestResponseCycle | None) -> None:
            """last: the request after which there should have been another one."""
            if self.transport.get_protocol() is self and self.cycle is last:
                self.transport.abort()

    return Connection


@contextlib.contextmanager
def _listening(settings: ServiceSettings) -> Iterator[socket.socket]:
    host, port = settings.host.strip("[]"), settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise LabError(f"cannot listen on {host!r}: {error.strerror}; check --host") from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, _UNSENT_BYTES)
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise LabError(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another --port, or 0"
            ) from None
        yield listener
