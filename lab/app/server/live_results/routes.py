"""The WebSocket of live results."""

from __future__ import annotations

from starlette.websockets import WebSocket

from lab.access.asker import Asker
from lab.annotation import utc_now
from lab.app.server.access import OurSocket, asker_of, limits_of
from lab.app.server.conversation import converse, part
from lab.app.server.live_results.hub import LiveResults, TooManyError
from lab.app.server.live_results.messages import Asked, Key, MessageError, message, parse
from lab.app.server.live_results.outbox import Outbox
from lab.app.server.live_results.topic import Topic
from lab.app.server.state import AppState
from lab.clock import utc_text
from lab.errors import LabError, NotFoundError

MAX_MESSAGE_BYTES = 4096
MOST_ERRORS = 32  # in a row
TOO_MANY_ERRORS = 4400
SEND_S = 10.0


def live_results_routes(here: AppState, *, send_s: float = SEND_S) -> list[OurSocket]:
    """`/ws/live`; docs/guide/live-results.md has its messages.

    send_s: how long a client may take nothing.
    """
    results = LiveResults(here, here.config.limits.max_followed)

    async def live_results(socket: WebSocket) -> None:
        await socket.accept()
        client = _Client(results, limits_of(socket).max_subscriptions, asker_of(socket))
        try:
            sending = client.outbox.send_all(socket.send_text, send_s)
            await converse(socket, sending, client.hear(socket))
        finally:
            client.leave_all()

    path = "/ws/live"
    return [OurSocket(path, live_results, wants="read", max_message_bytes=MAX_MESSAGE_BYTES)]


class _Client:
    """One connection, and what it follows."""

    def __init__(self, results: LiveResults, most: int, asker: Asker) -> None:
        self._results, self._most, self._asker = results, most, asker
        self.outbox = Outbox()
        self._followed: dict[Key, Topic] = {}
        self._errors = 0

    async def hear(self, socket: WebSocket) -> None:
        """Until it is closed, by the client, or for its errors."""
        while self._errors < MOST_ERRORS:
            heard = await socket.receive()
            if heard["type"] == "websocket.disconnect":
                return
            await self.outbox.room()
            await self._do(heard.get("text"))
        await part(socket, TOO_MANY_ERRORS, f"{MOST_ERRORS} messages could not be followed")

    def leave_all(self) -> None:
        for topic in self._followed.values():
            self._results.leave(topic, self.outbox)
        self._followed.clear()

    async def _do(self, text: str | None) -> None:
        try:
            asked = parse(text)
        except MessageError as error:
            self._refuse("bad_message", error, **error.about)
            return
        errors = self._errors
        if asked.key is None:
            now = utc_text(utc_now())
            self.outbox.answer(message("pong", time_utc=now, **asked.ref))
        elif asked.type == "subscribe":
            await self._subscribe(asked.key, asked)
        else:
            self._unsubscribe(asked.key, asked)
        if self._errors == errors:
            self._errors = 0

    async def _subscribe(self, key: Key, asked: Asked) -> None:
        topic = self._followed.get(key)
        if topic is not None and not topic.is_over:
            self.outbox.answer(message("subscribed", key, **asked.ref, **topic.state))
            return
        if topic is not None:
            self._results.leave(self._followed.pop(key), self.outbox)
        try:
            if len(self._followed) >= self._most:
                raise TooManyError(
                    f"one connection may follow {self._most} feeds and runs; unsubscribe from one"
                )
            self._followed[key] = await self._results.follow(
                key, self.outbox, asked.ref, self._asker
            )
        except LabError as error:
            self._refuse(_code(error), error, key, **asked.ref)

    def _unsubscribe(self, key: Key, asked: Asked) -> None:
        topic = self._followed.pop(key, None)
        if topic is None:
            error = LabError("this connection does not follow it")
            self._refuse("not_subscribed", error, key, **asked.ref)
            return
        self._results.leave(topic, self.outbox)
        self.outbox.answer(message("unsubscribed", key, **asked.ref))

    def _refuse(self, code: str, error: Exception, key: Key | None = None, **more: object) -> None:
        self._errors += 1
        self.outbox.answer(message("error", key, code=code, detail=str(error), **more))


def _code(error: LabError) -> str:
    if isinstance(error, TooManyError):
        return "too_many"
    return "not_found" if isinstance(error, NotFoundError) else "unreadable"
