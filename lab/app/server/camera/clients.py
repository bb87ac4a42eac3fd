"""Those who watch a camera. None of them is ever waited for."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Literal

from lab.app.server.camera.messages import Picture

Kind = Literal["text", "binary"]


class Client(ABC):
    """A connection that is offered each picture.

    transport: of the connection. stuck_since: when it took nothing for the first time after it had
    taken one, of `time.monotonic`. sent, dropped: pictures.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.stuck_since: float | None = None
        self.sent = self.dropped = 0

    @abstractmethod
    def offer(self, picture: Picture) -> bool:
        """Send it, if all before is sent. Whether it was; never waits."""


class SocketClient(Client):
    """A WebSocket. What is sent was framed once for all clients, so that it is written past the
    server's own framing, which would copy it for each.
    """

    def __init__(self, transport: asyncio.Transport, kind: Kind) -> None:
        super().__init__(transport)
        self._kind = kind

    def offer(self, picture: Picture) -> bool:
        """See `Client`."""
        if self.transport.get_write_buffer_size():
            return False
        if not self.transport.is_closing():
            self.transport.write(picture.text if self._kind == "text" else picture.binary)
        return True


class PartsClient(Client):
    """A response that never ends, a part for each picture."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._next: Picture | None = None
        self._arrived = asyncio.Event()

    def offer(self, picture: Picture) -> bool:
        """See `Client`. A picture that still waits is replaced."""
        is_free = self._next is None
        self._next = picture
        self._arrived.set()
        return is_free

    async def parts(self) -> AsyncIterator[bytes]:
        """The newest picture, whenever there is one."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            picture, self._next = self._next, None
            if picture is not None:
                yield picture.part
