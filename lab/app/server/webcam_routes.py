"""The WebSocket by which a page sends the picture of its camera to a feed."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import suppress
from pathlib import Path

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from lab.app.server.access import OurSocket
from lab.app.server.state import AppState, app_state
from lab.errors import SourceError
from lab.feeds.feed import FEED_ID
from lab.video.live.captures.webcam import HEADER, MAX_BYTES, TIME, reach

_NO_FEED, _NO_PICTURE, _TOO_LARGE = 4404, 4415, 4413
_AGAIN_S = 1.0
_JPEG = b"\xff\xd8\xff"


def webcam_routes(at: AppState | None = None) -> list[OurSocket]:
    """`/ws/webcam/{feed_id}`, over the state of the app (default: that of this process).

    It takes binary messages, `TIME` and a JPEG each, and sends a text when something changes:
    `{"is_sent": true}` as long as the feed takes them, else with `reason`. A picture that waits
    gives way to a newer one.
    """
    here = at or app_state()

    async def webcam(socket: WebSocket) -> None:
        feed_id = socket.path_params["feed_id"]
        if not FEED_ID.fullmatch(feed_id):
            await socket.close(_NO_FEED, "that is no feed")
            return
        await socket.accept()
        newest = _Newest()
        sending = asyncio.create_task(_send(socket, newest, _source_folder(here, feed_id)))
        try:
            await _receive(socket, newest)
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await sending

    # A picture that is one byte too large gets an answer of its own.
    most = TIME.size + MAX_BYTES + 1
    return [
        OurSocket(
            "/ws/webcam/{feed_id}",
            webcam,
            wants="analyse",
            max_message_bytes=most,
            is_beyond_setting=True,
        )
    ]


def _source_folder(here: AppState, feed_id: str) -> Path:
    return here.store.folder / "feeds" / feed_id / "source"


class _Newest:
    """The last picture that came and was not sent on yet."""

    def __init__(self) -> None:
        self._picture: tuple[float, bytes] | None = None
        self._came = asyncio.Event()

    def put(self, time_s: float, data: bytes) -> None:
        self._picture = (time_s, data)
        self._came.set()

    async def take(self) -> tuple[float, bytes]:
        await self._came.wait()
        self._came.clear()
        assert self._picture is not None
        return self._picture


async def _receive(socket: WebSocket, newest: _Newest) -> None:
    """Until it is closed, by either side."""
    with suppress(WebSocketDisconnect, RuntimeError, KeyError):
        while True:
            message = await socket.receive_bytes()
            if len(message) > TIME.size + MAX_BYTES:
                await socket.close(_TOO_LARGE, f"a picture may have {MAX_BYTES >> 20} MiB")
                return
            data = message[TIME.size :]
            time_s = TIME.unpack_from(message)[0] if len(message) > TIME.size else math.nan
            if not data.startswith(_JPEG) or not 0 <= time_s < 1e11:
                await socket.close(_NO_PICTURE, "that is no picture with its time")
                return
            newest.put(time_s, data)


async def _send(socket: WebSocket, newest: _Newest, folder: Path) -> None:
    """Pass pictures on, over feeds that stop and start."""
    said: dict[str, object] = {}
    while True:
        reason = None
        try:
            connection = await anyio.to_thread.run_sync(reach, folder)
            _, writer = await asyncio.open_connection(sock=connection)
        except (SourceError, OSError) as error:
            reason = str(error)
        said = await _say(socket, said, reason)
        if reason is None:
            with suppress(OSError):
                await _pass_on(newest, writer)
            writer.close()
        await asyncio.sleep(_AGAIN_S)


async def _pass_on(newest: _Newest, writer: asyncio.StreamWriter) -> None:
    while True:
        time_s, data = await newest.take()
        writer.write(HEADER.pack(time_s, len(data)) + data)
        await writer.drain()


async def _say(socket: WebSocket, said: dict[str, object], reason: str | None) -> dict[str, object]:
    now: dict[str, object] = {"is_sent": reason is None}
    if reason is not None:
        now["reason"] = reason
    if now != said:
        await socket.send_text(json.dumps(now))
    return now
