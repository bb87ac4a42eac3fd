"""The sink that posts a line of text to a chat."""

from __future__ import annotations

import json
import string
from collections.abc import Collection
from datetime import datetime
from typing import Any

from lab.access.addresses import AddressRules
from lab.errors import SettingError, closest
from lab.sinks.choices import number_of, secret_of
from lab.sinks.event import SightingEvent
from lab.sinks.feed_sink import FeedSink
from lab.sinks.http import TIMEOUT_S, HttpClient, checked_address
from lab.sinks.secrets import secrets_of
from lab.sinks.sink import SinkRefused

TEMPLATE = "{label} spotted at {time}"
TIME_FORMAT = "%H:%M"
_NAMES = ("label", "time", "feed_name", "confidence")


class CommentSink(FeedSink):
    """Posts `{"content": "deer spotted at 14:32"}` at each alert.

    webhook_url: or SIGHTING_LAB_COMMENT_WEBHOOK_URL, or DETSTREAM_COMMENT_WEBHOOK_URL.
    template: may hold {label}, {time}, {feed_name} and {confidence} (as in {confidence:.0%}).
    time_format: as `strftime` takes it; the time is when it was decided, on this computer's clock.
    min_confidence: alerts below it are left out.
    """

    def __init__(
        self,
        *,
        webhook_url: str = "",
        template: str = TEMPLATE,
        time_format: str = TIME_FORMAT,
        min_confidence: float = 0.0,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        found = secret_of(
            webhook_url,
            "webhook_url",
            "SIGHTING_LAB_COMMENT_WEBHOOK_URL",
            "DETSTREAM_COMMENT_WEBHOOK_URL",
        )
        self._url = checked_address(found, "webhook_url")
        self._template, self._time_format = _checked(template), time_format
        self._min_confidence = number_of(min_confidence, "min_confidence", 0.0, 1.0)
        self._http = HttpClient(
            "comment", secrets=secrets_of({"url": self._url}), timeout_s=timeout_s
        )

    def wants(self, event: SightingEvent) -> bool:
        return event.kind == "alerted" and event.peak_confidence >= self._min_confidence

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """See `lab.sinks.sink.Sink`."""
        return ()

    def deliver(self, event: SightingEvent) -> None:
        if not self.wants(event):
            return
        body = json.dumps({"content": self.text(event)}).encode()
        headers = {"content-type": "application/json"}
        answer = self._http.send("POST", self._url, headers=headers, content=body)
        if answer.status in (404, 410):
            raise SinkRefused(f"{answer.host} answered {answer.status}: it is gone", is_final=True)
        if not answer.is_ok:
            raise self._http.failure(answer)

    def text(self, event: SightingEvent) -> str:
        at = datetime.fromisoformat(event.created_utc).astimezone()
        text = self._template.format(
            label=event.label,
            time=at.strftime(self._time_format),
            feed_name=event.feed_name,
            confidence=event.peak_confidence,
        )
        return ("TEST: " + text if event.is_test else text)[:2000]

    def keep_to(self, addresses: AddressRules) -> None:
        """See `lab.sinks.sink.Sink`."""
        self._http.keep_to(addresses)

    def close(self) -> None:
        self._http.close()


def _checked(template: Any) -> str:
    """Raises SettingError for a template that could not be filled."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        unknown = next((name for name in names if name not in _NAMES), None)
        if unknown is None:
            return str(
                template.format(label="a", time="a", feed_name="a", confidence=0.5) and template
            )
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        raise SettingError(f"template cannot be filled: {error}") from None
    raise SettingError(f"template: unknown name {unknown!r}; {closest(unknown, list(_NAMES))}")
