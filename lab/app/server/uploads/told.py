"""Answers that are written while an upload goes on, to clients that take them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send


def patient_send(send: Send, send_s: float, is_alive: Callable[[], bool] = lambda: False) -> Send:
    """Raises TimeoutError if a client takes nothing for so long and gives no sign of life."""

    async def bounded(message: Message) -> None:
        sending = asyncio.ensure_future(_whole(send, message))
        try:
            while not (await asyncio.wait({sending}, timeout=send_s))[0]:
                if not is_alive():
                    raise TimeoutError(f"the client took nothing for {send_s:g} s")
            sending.result()
        finally:
            sending.cancel()

    return bounded


async def _whole(send: Send, message: Message) -> None:
    await send(message)


class Told(StreamingResponse):
    """Lines for as long as there are any, and the client takes them within a time.

    held: what is to be given back at the end.
    """

    def __init__(
        self,
        lines: AsyncGenerator[str],
        *,
        send_s: float,
        held: ExitStack,
        media_type: str = "text/event-stream",
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(lines, headers=headers, media_type=media_type)
        self._lines, self._send_s, self._held = lines, send_s, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            try:
                await super().__call__(scope, receive, patient_send(send, self._send_s))
            except (ClientDisconnect, TimeoutError):
                return  # the server closes the connection
            finally:
                await self._lines.aclose()
