"""A WebSocket on which both sides talk: each in its own time, until one of them ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from lab.app.server.bounds import CLOSE_S

TOO_SLOW = 4408
_ENDED = (WebSocketDisconnect, RuntimeError)


async def converse(
    socket: WebSocket, sending: Coroutine[None, None, None], hearing: Coroutine[None, None, None]
) -> None:
    """Do both until one ends; a client that takes nothing, so that sending raises TimeoutError, is
    parted with. Raises what else went wrong.
    """
    tasks = [asyncio.create_task(sending), asyncio.create_task(hearing)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            if not task.done():
                task.add_done_callback(_take)
                task.cancel()
    for error in [task.exception() for task in done]:
        if isinstance(error, TimeoutError):
            await part(socket, TOO_SLOW, "too slow")
        elif error is not None and not isinstance(error, _ENDED):
            raise error


def _take(task: asyncio.Task[None]) -> None:
    """What a side says that was still at it when the other ended: that this is over is no error."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, (TimeoutError, *_ENDED)):
        raise error


async def part(socket: WebSocket, code: int, reason: str) -> None:
    """Close it, without waiting for long for a client that takes nothing."""
    with suppress(RuntimeError, TimeoutError, WebSocketDisconnect):
        async with asyncio.timeout(CLOSE_S):
            await socket.close(code, reason)
