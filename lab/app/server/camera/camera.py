"""A camera: takes what its player has ready, and sends it to all clients when it is due."""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import bisect_left
from fractions import Fraction
from pathlib import Path
from typing import Any

from lab.app.server.camera.ahead import Ahead
from lab.app.server.camera.clients import Client
from lab.app.server.camera.messages import Picture
from lab.app.server.camera.playing import PlayerProcess
from lab.app.server.camera.unix_clock import UnixClock
from lab.errors import LabError
from lab.video.camera.player import Played
from lab.video.camera.settings import CameraSettings, Limits

_AHEAD = 16
_SILENT_S = 10.0
_OVERDUE_S = 3.0
_DELAYS_S = (0.2, 1.0, 2.0, 5.0)
_HEALTHY_S = 10.0
# Seconds after its time at which a picture was handed to a client.
LATENESS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_log = logging.getLogger("lab.camera")


class Camera:
    """One video, played to any number of clients.

    sent, dropped: pictures handed to clients, and kept from those that were still taking another.
    skipped: frames that nobody got since they were late. kicked: clients that took nothing for too
    long. lateness: how many pictures were handed over within each of `LATENESS_S`, and later.
    silent_s: how long its player may give nothing after the last picture that it gave was due.
    """

    def __init__(
        self,
        settings: CameraSettings,
        path: Path,
        limits: Limits,
        *,
        silent_s: float = _SILENT_S,
    ) -> None:
        self.settings, self.limits, self._silent_s = settings, limits, silent_s
        self._player = PlayerProcess(path, settings)
        self._clients: set[Client] = set()
        self._ahead: Ahead[Picture] = Ahead(_AHEAD)
        self._filled, self._taken = asyncio.Event(), asyncio.Event()
        self._frame_id = -1
        self._jpeg = b""
        self._zero: float | None = None
        self._begun: float | None = None
        self._clock = UnixClock()
        self._due_s = 0.0
        self.last: Picture | None = None
        self.sent = self.dropped = self.skipped = self.kicked = self.restarts = 0
        self.lateness = [0] * (len(LATENESS_S) + 1)
        self.lateness_sum_s = 0.0
        self._problem: str | None = None

    async def open(self) -> None:
        """Have the video played. Raises SourceError if it cannot be."""
        await self._player.start()
        self._zero = self._player.facts["zero"]

    async def run(self) -> None:
        """For ever."""
        self._begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fill())
            tasks.create_task(self._send())

    async def close(self) -> None:
        await self._player.end()

    @property
    def client_count(self) -> int:
        return len(self._clients)

    @property
    def has_room(self) -> bool:
        return len(self._clients) < self.limits.clients

    def join(self, client: Client) -> None:
        self._clients.add(client)

    def leave(self, client: Client) -> None:
        """It is gone, or to be: what it did not take by then is thrown away."""
        self._clients.discard(client)
        asyncio.get_running_loop().call_later(self.limits.send_s, client.transport.abort)

    def facts(self) -> dict[str, Any]:
        """What it is, for people and programs."""
        told = self._player.facts
        rate = Fraction(told["rate"])
        return {
            "name": self.settings.name,
            "source": self.settings.source,
            "version": self.settings.version,
            "width": told["width"],
            "height": told["height"],
            "fps": max(1, round(rate)),
            "rate": f"{rate.numerator}/{rate.denominator}",
            "loop": self.settings.loop,
            "duration_s": told["duration_s"],
            "clients": self.client_count,
        }

    @property
    def problem(self) -> str | None:
        """Why no pictures leave at the moment; None if they do."""
        if self._problem is not None or self._begun is None:
            return self._problem
        due = self._ahead.next_due
        if due is None:  # the next one is not known yet
            due = (self._begun if self.last is None else self.last.due) + self._two_frames_s
        late_s = time.monotonic() - due
        return None if late_s < _OVERDUE_S else f"a picture is due since {late_s:.0f} s"

    def health(self) -> dict[str, Any]:
        """`status` is `ok` while pictures leave, else `failing` with the reason."""
        problem = self.problem
        return {
            "status": "ok" if problem is None else "failing",
            "reason": problem,
            "frame_id": None if self.last is None else self.last.frame_id,
            "last_frame_at": None if self.last is None else self.last.timestamp,
            "clients": self.client_count,
        }

    async def _fill(self) -> None:
        """Take from the player whenever there is room, and start it again where it ends."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._take_all()
            except (EOFError, TimeoutError):
                self._note_problem("its player ended, or gave nothing")
            failures = 0 if time.monotonic() - began > _HEALTHY_S else failures + 1
            while not await self._is_started_again(failures):
                failures += 1

    async def _is_started_again(self, failures: int) -> bool:
        assert self._zero is not None
        await self._player.end()
        await asyncio.sleep(_DELAYS_S[min(failures, len(_DELAYS_S) - 1)])
        self.restarts += 1
        now_s = time.monotonic() - self._zero
        try:
            await self._player.start(self._zero, now_s, self._due_s)
        except (LabError, OSError) as error:
            self._note_problem(str(error))
            return False
        return True

    def _note_problem(self, why: str) -> None:
        if why != self._problem:
            _log.warning("camera %s: %s; it is started again", self.settings.name, why)
        self._problem = why

    async def _take_all(self) -> None:
        while True:
            if self._ahead.is_full:
                self._taken.clear()
                await self._taken.wait()
            assert self._zero is not None
            ahead_s = max(0.0, self._zero + self._due_s - time.monotonic())
            async with asyncio.timeout(ahead_s + self._silent_s + self._two_frames_s):
                played = await self._player.next()
            self._ahead.put(self._picture(played))
            self._filled.set()

    @property
    def _two_frames_s(self) -> float:
        return float(2 / Fraction(self._player.facts["rate"]))

    def _picture(self, played: Played) -> Picture:
        assert self._zero is not None
        self._frame_id += 1 + played.skipped
        self.skipped += played.skipped
        self._jpeg, self._due_s = played.jpeg or self._jpeg, played.due_s
        due = self._zero + played.due_s
        facts = self._player.facts
        return Picture(
            source=self.settings.source,
            version=self.settings.version,
            frame_id=self._frame_id,
            due=due,
            timestamp=self._clock.unix_s(due),
            rate=float(Fraction(facts["rate"])),
            pts_us=played.pts_us,
            loop_index=played.loop_index,
            size_px=(facts["width"], facts["height"]),
            jpeg=self._jpeg,
        )

    async def _send(self) -> None:
        """Each picture at its time; where several are due, the newest alone."""
        while True:
            due = self._ahead.next_due
            if due is None:
                self._filled.clear()
                await self._filled.wait()
                continue
            if (left_s := due - time.monotonic()) > 0:
                await asyncio.sleep(left_s)
            picture, overtaken = self._ahead.take(time.monotonic())
            self.skipped += overtaken
            self._taken.set()
            if picture is not None:
                self.publish(picture)

    def publish(self, picture: Picture) -> None:
        """Offer it to all, and part with those who have taken nothing for too long."""
        self.last, self._problem = picture, None
        for client in tuple(self._clients):
            now = time.monotonic()
            if client.offer(picture):
                client.stuck_since = None
                client.sent += 1
                self.sent += 1
                late_s = max(0.0, now - picture.due)
                self.lateness[bisect_left(LATENESS_S, late_s)] += 1
                self.lateness_sum_s += late_s
                continue
            client.dropped += 1
            self.dropped += 1
            if client.stuck_since is None:
                client.stuck_since = now
            elif now - client.stuck_since > self.limits.send_s:
                self._part_with(client)

    def _part_with(self, client: Client) -> None:
        self._clients.discard(client)
        self.kicked += 1
        peer = client.transport.get_extra_info("peername")
        _log.warning(
            "camera %s: client %s took nothing for %g s, and is dropped",
            self.settings.name,
            peer,
            self.limits.send_s,
        )
        client.transport.abort()
