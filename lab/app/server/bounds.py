"""What holds while a request or a WebSocket goes on: how large, how silent, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.app.server.problem import problem

_LOOK_EVERY_S = 1.0
_TOO_LARGE, _NOT_LET_IN = 1009, 1008
_NO_LONGER = (
    "the token was revoked or has expired while the request was under way, which was broken off; "
    "ask again with a valid token (lab token add)"
)
CLOSE_S = 2.0  # how long a client may take to be told that it is parted with


class SilentClientError(ClientDisconnect):
    """Nothing of a body came for too long."""


def with_patience(receive: Receive, silence_s: float) -> Receive:
    """A body of which nothing comes for so long raises SilentClientError in who reads it."""
    is_whole = False

    async def patient() -> Message:
        nonlocal is_whole
        if is_whole:  # what comes now is that the client goes
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), silence_s)
        except TimeoutError:
            raise SilentClientError(f"nothing came for {silence_s:g} s") from None
        is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return patient


def with_small_messages(receive: Receive, send: Send, most_bytes: int) -> Receive:
    """A larger message closes a WebSocket with code 1009."""

    async def bounded() -> Message:
        message = await receive()
        text, data = message.get("text"), message.get("bytes")
        size = len(data) if data is not None else len((text or "").encode())
        if message["type"] == "websocket.receive" and size > most_bytes:
            reason = f"a message may have {most_bytes} bytes"
            await _close(send, _TOO_LARGE, reason)
            return {"type": "websocket.disconnect", "code": _TOO_LARGE, "reason": reason}
        return message

    return bounded


async def run_while(
    is_known: Callable[[], bool], app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """The answer of an app, broken off when whoever asked is not let in any more.

    Where no answer has begun, that is what is answered: 401, or a WebSocket that is closed.
    """
    has_begun = False

    async def noted(message: Message) -> None:
        nonlocal has_begun
        has_begun = True
        await send(message)

    answering = asyncio.ensure_future(app(scope, receive, noted))
    try:
        while True:
            done, _ = await asyncio.wait({answering}, timeout=_LOOK_EVERY_S)
            if done:
                break
            if not is_known():
                answering.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await answering
                if scope["type"] == "websocket":
                    await _close(send, _NOT_LET_IN, "not let in any more")
                elif not has_begun:
                    await _refuse(scope, receive, send)
                return
    except asyncio.CancelledError:
        answering.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await answering
        raise
    await answering


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """As `_close`."""
    with suppress(Exception):
        async with asyncio.timeout(CLOSE_S):
            await problem(401, _NO_LONGER)(scope, receive, send)


async def _close(send: Send, code: int, reason: str) -> None:
    """Without waiting for long for a client that takes nothing."""
    with suppress(Exception):
        async with asyncio.timeout(CLOSE_S):
            await send({"type": "websocket.close", "code": code, "reason": reason})
