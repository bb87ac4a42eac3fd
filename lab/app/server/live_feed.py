"""One poller for each feed that somebody watches, however many they are."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync

from lab.app.server.live_samples import KeptSamples, Samples
from lab.app.server.live_status import LiveStatus, Status
from lab.errors import LabError
from lab.feeds.commands import send
from lab.feeds.newest_samples import NAME as NEWEST
from lab.feeds.newest_samples import SamplesReader, sample_of
from lab.feeds.status import feeds_folder
from lab.score_log.growing import GrowingLog
from lab.video.live.viewing import ViewedPicture, ViewReader

HEADER = struct.Struct("<IQqdII")  # version, number, pts_us, wall_time, width, height
_VERSION = 1
_PICTURE_S = 0.008
_STATUS_S = 0.5
_ASK_EVERY_S = 4.0
_ASK_FOR_S = 12.0
_HEIGHT_PX = 720
_MOST_TEXTS = 64
_MOST_LOGGED = 100  # samples that are there already; a part may hold one of them
_SEND_S = 10.0


class Client:
    """Somebody who watches: the texts that are to be sent, and the newest picture alone."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque(maxlen=_MOST_TEXTS)
        self._picture: bytes | None = None
        self._arrived = asyncio.Event()
        self.wants_pictures = True

    def tell(self, text: str) -> None:
        self._texts.append(text)
        self._arrived.set()

    def show(self, picture: bytes) -> None:
        if self.wants_pictures:
            self._picture = picture
            self._arrived.set()

    async def send_all(
        self,
        send_text: Callable[[str], Awaitable[None]],
        send_bytes: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """For ever. Raises TimeoutError for a client that takes nothing for 10 s."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._texts:
                await asyncio.wait_for(send_text(self._texts.popleft()), _SEND_S)
            picture, self._picture = self._picture, None
            if picture is not None:
                await asyncio.wait_for(send_bytes(picture), _SEND_S)


class FeedBroadcast:
    """Tells all clients of one feed what is new: pictures, its status, samples, events."""

    def __init__(self, feed_id: str, store: Path, status: LiveStatus) -> None:
        self._feed_id, self._store, self._status_of = feed_id, store, status
        self._clients: set[Client] = set()
        self._task: asyncio.Task[None] | None = None
        self._ring: ViewReader | None = None
        self._shown = 0
        self._asked_at = 0.0
        self._newest: SamplesReader | None = None
        self._log: GrowingLog | None = None
        self._samples = KeptSamples()
        self._run_id: str | None = None
        self._told: str | None = None
        self._events: dict[str, dict[str, Any]] = {}

    def join(self, client: Client) -> None:
        """The client hears first what all others know."""
        self._clients.add(client)
        if self._told is not None:
            client.tell(self._told)
            client.tell(_text("events", list(self._events.values())))
        if self._samples.all:
            client.tell(self._samples_text(self._samples.all, is_logged=True))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())

    def want(self, client: Client, *, pictures: bool) -> None:
        """Whether this client is to get pictures; they are asked for at once."""
        if pictures and not client.wants_pictures:
            self._asked_at = 0.0
        client.wants_pictures = pictures

    def leave(self, client: Client) -> bool:
        """Whether that was the last one."""
        self._clients.discard(client)
        return not self._clients

    async def _poll(self) -> None:
        """While somebody watches."""
        status_at = self._asked_at = 0.0
        try:
            while self._clients:
                now = time.monotonic()
                if now - self._asked_at >= _ASK_EVERY_S:
                    self._asked_at = now
                    await self._ask_for_pictures()
                if now - status_at >= _STATUS_S:
                    status_at = now
                    await self._look_at_status()
                self._look_at_pictures()
                self._look_at_newest()
                await asyncio.sleep(_PICTURE_S)
        finally:
            self._close_ring()
            self._close_newest()

    async def _ask_for_pictures(self) -> None:
        if not any(client.wants_pictures for client in self._clients):
            return
        asked = {"do": "view", "feed": self._feed_id, "for_s": _ASK_FOR_S, "height": _HEIGHT_PX}
        with suppress(LabError):  # nobody watches: the status says so
            await run_sync(send, self._store, asked, 0.0)

    async def _look_at_status(self) -> None:
        status = await run_sync(self._status_of.feed, self._feed_id)
        facts = dict(status or {"state": None})
        events = facts.pop("events", [])
        self._map(facts.get("viewer"))
        text = _text("status", facts)
        if text != self._told:
            self._told = text
            self._tell_all(text)
        new = [event for event in events if event["event_id"] not in self._events]
        if new:
            self._events = {event["event_id"]: event for event in events}
            self._tell_all(_text("events", new))
        if status is not None:
            await self._look_at_log(status)

    async def _look_at_log(self, status: Status) -> None:
        run_id = status.get("run_id")
        if run_id != self._run_id:
            self._run_id, self._samples = run_id, KeptSamples()
            logs = self._store / "logs"
            self._log = GrowingLog(logs / run_id, latest=_MOST_LOGGED) if run_id else None
            self._close_newest()
        self._open_newest()
        if self._log is not None and (logged := await run_sync(self._log.read)):
            new = self._samples.add([sample_of(one.stamp, one.found) for one in logged])
            self._tell_all(self._samples_text(new, is_logged=True))

    def _look_at_newest(self) -> None:
        """Samples that were decided just now, some time before the log has them."""
        if self._newest is None:
            return
        new = self._samples.add(self._newest.read(self._run_id))
        if new:
            self._tell_all(self._samples_text(new, is_logged=False))

    def _open_newest(self) -> None:
        if self._newest is None and self._run_id is not None:
            with suppress(OSError):  # nothing was decided yet while somebody watched
                file = feeds_folder(self._store) / self._feed_id / NEWEST
                self._newest = SamplesReader(file)

    def _close_newest(self) -> None:
        if self._newest is not None:
            self._newest.close()
        self._newest = None

    def _samples_text(self, samples: Samples, *, is_logged: bool) -> str:
        return _text("samples", samples, run_id=self._run_id, is_logged=is_logged)

    def _look_at_pictures(self) -> None:
        if self._ring is None or (number := self._ring.newest) <= self._shown:
            return
        picture = self._ring.read(number)
        if picture is not None:
            self._shown = number
            content = _packed(picture)
            for client in self._clients:
                client.show(content)

    def _map(self, path: str | None) -> None:
        """The pictures of the reader that runs now."""
        if self._ring is not None and str(self._ring.path) == path:
            return
        self._close_ring()
        if path is not None:
            with suppress(OSError, ValueError):  # that reader has just ended
                self._ring = ViewReader(Path(path))

    def _close_ring(self) -> None:
        if self._ring is not None:
            self._ring.close()
        self._ring, self._shown = None, 0

    def _tell_all(self, text: str) -> None:
        for client in self._clients:
            client.tell(text)


def _text(kind: str, value: object, **more: object) -> str:
    return json.dumps({kind: value, **more}, separators=(",", ":"))


def _packed(picture: ViewedPicture) -> bytes:
    header = HEADER.pack(
        _VERSION,
        picture.sequence,
        picture.pts_us,
        picture.wall_time,
        picture.width,
        picture.height,
    )
    return header + picture.jpeg
