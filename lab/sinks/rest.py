"""A sink that posts results to a collector over HTTP, as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lab.access.addresses import AddressRules
from lab.errors import SettingError
from lab.sinks.choices import KINDS, kinds_of, text_of, texts_by_name, whole_of
from lab.sinks.event import PICTURES, SightingEvent
from lab.sinks.feed_sink import message_of
from lab.sinks.http import TIMEOUT_S, HttpClient, checked_address
from lab.sinks.secrets import secrets_of
from lab.sinks.sink import Row, Sink, SinkRefused

_MOMENTS = {"opened": "onset_s", "updated": "peak_s", "alerted": "onset_s", "closed": "offset_s"}
_NEVER_TAKEN = {400, 405, 406, 411, 413, 414, 415, 422, 431}
_GONE = 410


class RestSink(Sink):
    """Posts `{"position": seconds, "name": feed, "result": {...}}` for each event.

    position: the media time of the event. name: of the feed, or of the analysis of a job, whose
    rows come as lists of such objects, `batch_rows` at a time. url, headers and token (sent as
    `Authorization: Bearer`) are secrets. events: of which kinds, all unless given. pictures:
    whether they go along, as base64. timeout_s: without an answer.

    An answer of 400, 413, 422 and the like gives the event up, and 410 switches the sink off. A
    refused token is tried again, like a server that is away. Raises SettingError.
    """

    def __init__(
        self,
        *,
        url: str,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        events: Sequence[str] | None = None,
        pictures: bool = False,
        batch_rows: int = 100,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._url = checked_address(text_of(url, "url"), "url")
        self._headers = {**_checked(headers), "content-type": "application/json"}
        if token is not None:
            self._headers |= _checked({"authorization": f"Bearer {text_of(token, 'token')}"})
        self._kinds = kinds_of(events, KINDS)
        self._has_pictures = bool(pictures)
        self._batch = whole_of(batch_rows, "batch_rows", 1, 100_000)
        secrets = [*secrets_of({"url": self._url, "token": token}), *_checked(headers).values()]
        self._http = HttpClient("sink 'rest'", secrets=secrets, timeout_s=timeout_s)

    def wants(self, event: SightingEvent) -> bool:
        """See `lab.sinks.sink.Sink`."""
        return event.kind in self._kinds or event.is_test

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """See `lab.sinks.sink.Sink`."""
        return PICTURES if self._has_pictures else ()

    def deliver(self, event: SightingEvent) -> None:
        """See `lab.sinks.sink.Sink`."""
        if not self.wants(event):
            return
        message = message_of(event)
        position = message[_MOMENTS[event.kind]]
        if self._has_pictures:
            with_pictures = event.to_dict(pictures=True)
            message |= {name: with_pictures[name] for name in PICTURES}
        said = {"position": position, "name": event.feed, "result": message}
        self._post(said, {"idempotency-key": event.event_id})

    def write(self, rows: Sequence[Row]) -> None:
        """See `lab.sinks.sink.Sink`."""
        said = [
            {"position": row.get("onset_s"), "name": row.get("analysis"), "result": dict(row)}
            for row in rows
        ]
        for start in range(0, len(said), self._batch):
            self._post(said[start : start + self._batch], {})

    def keep_to(self, addresses: AddressRules) -> None:
        """See `lab.sinks.sink.Sink`."""
        self._http.keep_to(addresses)

    def close(self) -> None:
        self._http.close()

    def _post(self, said: Any, headers: Mapping[str, str]) -> None:
        """Raises SinkRefused or DeliveryFailed."""
        data = json.dumps(said, default=str).encode()
        answer = self._http.send(
            "POST", self._url, headers={**self._headers, **headers}, content=data
        )
        if answer.status in _NEVER_TAKEN or answer.status == _GONE:
            raise SinkRefused(self._http.words(answer), is_final=answer.status == _GONE)
        if not answer.is_ok:
            raise self._http.failure(answer)


def _checked(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Raises SettingError for what cannot be a header, without what it holds."""
    found = texts_by_name(headers, "headers")
    for name, value in found.items():
        is_name = bool(name) and all(c.isalnum() or c in "-_." for c in name) and name.isascii()
        if not is_name or not value.isascii() or not value.isprintable():
            raise SettingError(f"headers: {name!r:.40} cannot be sent as a header")
    return found
