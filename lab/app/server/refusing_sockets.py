"""WebSockets that are refused with an answer of their own, which is no error of this server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent


class RefusingSockets(WebSocketsSansIOProtocol):
    """For uvicorn's `ws`. Its own takes a refusal (the extension `websocket.http.response` of
    ASGI) for a handshake that was forgotten, and logs an error for each: who is not let in could
    fill the log.
    """

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True
