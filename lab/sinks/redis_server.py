"""A sink that adds to a Redis stream, or to a sorted set by time."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from lab.errors import LabError, SettingError
from lab.extras import need
from lab.sinks.choices import (
    KINDS,
    address_of,
    choice_of,
    kinds_of,
    number_of,
    text_of,
    whole_of,
)
from lab.sinks.event import SightingEvent
from lab.sinks.feed_sink import message_of
from lab.sinks.sink import Row, Sink, SinkRefused

_PICTURE_S = 24 * 3600


class RedisSink(Sink):
    """Adds events to `key`, or the rows of a job.

    url: `redis://user:password@host:port/0`, or `rediss://` for TLS; a secret. kind: `stream`, an
    entry an event with the fields `event` (a JSON object), `event_id`, `type`, `feed`, `label`; or
    `sorted-set`, the same JSON objects by the Unix seconds at which they were made. most: of more,
    the oldest go (of a stream about as many), 0 for never. pictures: whether the peak's JPEG goes
    along, as the field `picture`, or under `<key>:picture:<sighting id>` for a day. events: of
    which kinds, all unless given. timeout_s: for each step.

    In a stream, an event that was sent again after a failure may be twice: go by `event_id`. A
    wrong password is tried again like a server that is away. Raises SettingError; LabError
    without the package.
    """

    in_order = True

    def __init__(
        self,
        *,
        url: str,
        key: str = "sighting-lab",
        kind: Literal["stream", "sorted-set"] = "stream",
        most: int = 10_000,
        pictures: bool = False,
        events: Sequence[str] | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        need("sink 'redis'", "live", "redis", error=LabError)
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        url, place = address_of(url, "url", ("redis", "rediss"))
        self._where = f"the Redis server at {place}"
        self._key = text_of(key, "key")
        self._is_stream = choice_of(kind, "kind", ("stream", "sorted-set")) == "stream"
        self._most = whole_of(most, "most", 0, 1e12)
        self._has_pictures = bool(pictures)
        self._kinds = kinds_of(events, KINDS)
        timeout_s = number_of(timeout_s, "timeout_s", 0.1, 120)
        try:
            self._client = redis.Redis.from_url(
                url,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 0),  # the outbox does that
            )
        except (ValueError, TypeError, redis.RedisError):
            raise SettingError(
                f"url of {self._where} is not understood; write redis://user:password@host:port/0"
            ) from None

    def check(self, inputs: Sequence[Path]) -> None:
        """A job needs the server before it begins."""
        if inputs:
            try:
                self._run(lambda pipe: pipe.ping())
            except LabError as error:
                raise SettingError(str(error)) from None

    def wants(self, event: SightingEvent) -> bool:
        """See `lab.sinks.sink.Sink`."""
        return event.kind in self._kinds or event.is_test

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """See `lab.sinks.sink.Sink`."""
        return ("picture_jpeg",) if self._has_pictures else ()

    def deliver(self, event: SightingEvent) -> None:
        """See `lab.sinks.sink.Sink`."""
        if not self.wants(event):
            return
        picture = event.picture_jpeg if self._has_pictures else None
        self._run(lambda pipe: self._add(pipe, message_of(event), picture))

    def write(self, rows: Sequence[Row]) -> None:
        """Each row as an event without a type."""
        if rows:
            self._run(lambda pipe: self._add_all(pipe, rows))

    def close(self) -> None:
        self._client.close()

    def _add_all(self, pipe: Any, rows: Sequence[Row]) -> None:
        for row in rows:
            self._add(pipe, row, None)

    def _add(self, pipe: Any, message: Mapping[str, Any], picture: bytes | None) -> None:
        said = json.dumps(message, default=str)
        if self._is_stream:
            names = ("event_id", "type", "feed", "label")
            fields = {name: str(message[name]) for name in names if message.get(name) is not None}
            more = {} if picture is None else {"picture": picture}
            most = self._most or None
            pipe.xadd(self._key, {"event": said, **fields, **more}, maxlen=most, approximate=True)
            return
        pipe.zadd(self._key, {said: _seconds(message)})
        if self._most:
            pipe.zremrangebyrank(self._key, 0, -self._most - 1)
        if picture is not None:
            pipe.set(f"{self._key}:picture:{message['sighting_id']}", picture, ex=_PICTURE_S)

    def _run(self, commands: Any) -> None:
        """All of the commands in one transaction. Raises LabError if they were not taken."""
        import redis

        try:
            with self._client.pipeline(transaction=True) as pipe:
                commands(pipe)
                pipe.execute()
        except redis.AuthenticationError:
            raise LabError(f"{self._where} refuses user or password; check url") from None
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            why = _why(error)
            raise LabError(f"{self._where} cannot be reached: {why}") from None
        except redis.ResponseError as error:
            code = str(error).split()[0] if str(error).split() else "an error"
            if code in ("NOAUTH", "WRONGPASS", "NOPERM"):
                raise LabError(f"{self._where} refuses user or password; check url") from None
            if "WRONGTYPE" in str(error):
                raise SinkRefused(
                    f"key {self._key!r} of {self._where} holds something else; give another key"
                ) from None
            raise LabError(f"{self._where} did not take it: {code}") from None


def _seconds(message: Mapping[str, Any]) -> float:
    """When it was made, in Unix seconds; of a row when it began, at least in its clip."""
    utc = message.get("created_utc") or message.get("onset_utc")
    if utc:
        return datetime.fromisoformat(str(utc)).timestamp()
    return float(message.get("onset_s") or 0.0)


def _why(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or type(error).__name__
