"""What is on its way to one client, who may be slow: nobody waits for it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from lab.app.server.live_results.messages import Key, Text, message

_MOST_WAITING = 64  # messages


class _Waiting(NamedTuple):
    key: Key | None
    text: Text


class Outbox:
    """Of one client, for the event loop. Of the updates that wait the newest are kept, and the
    client is told how many samples and events of what it follows were skipped; answers and states
    are always sent.
    """

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._skipped: Counter[Key] = Counter()
        self._filled, self._emptied = asyncio.Event(), asyncio.Event()

    @property
    def is_behind(self) -> bool:
        """Whether it should be given nothing more for now, if somebody can wait."""
        return len(self._waiting) > _MOST_WAITING // 4

    def answer(self, text: str) -> None:
        """A message that is never skipped. Wait for `room` before what brings about one."""
        self.offer(None, Text(text))

    def offer(self, key: Key | None, text: Text) -> None:
        """A message of what is followed; takes the place of the oldest update where many wait."""
        if len(self._waiting) >= _MOST_WAITING:
            self._skip_one()
        self._waiting.append(_Waiting(key, text))
        self._filled.set()

    def forget(self, key: Key) -> None:
        """Send nothing more of it."""
        self._waiting = deque(one for one in self._waiting if one.key != key)
        self._skipped.pop(key, None)

    async def room(self) -> None:
        """Wait until the client has taken most of what waits for it."""
        while self.is_behind:
            self._emptied.clear()
            await self._emptied.wait()

    async def send_all(self, send: Callable[[str], Awaitable[None]], send_s: float) -> None:
        """For ever. Raises TimeoutError for a client that takes nothing for so many seconds."""
        while True:
            if not self._waiting:
                self._emptied.set()
                self._filled.clear()
                await self._filled.wait()
                continue
            key, text = self._waiting.popleft()
            if key is not None and (count := self._skipped.pop(key, 0)):
                await _send(send, message("skipped", key, count=count), send_s)
            await _send(send, text.text, send_s)
            if not self.is_behind:
                self._emptied.set()

    def _skip_one(self) -> None:
        """The oldest update; where there is none, the oldest state, which a newer one follows."""
        of_a_key = [i for i, one in enumerate(self._waiting) if one.key is not None]
        updates = (i for i in of_a_key if self._waiting[i].text.told)
        at = next(updates, of_a_key[0] if of_a_key else None)
        if at is None:
            return
        key, text = self._waiting[at]
        del self._waiting[at]
        if key is not None and text.told:
            self._skipped[key] += text.told


async def _send(send: Callable[[str], Awaitable[None]], text: str, send_s: float) -> None:
    async with asyncio.timeout(send_s):
        await send(text)
