"""The sink that posts an embed with the picture to a channel of Discord."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lab.access.addresses import AddressRules
from lab.errors import SettingError
from lab.sinks.choices import kinds_of, secret_of, texts_by_name
from lab.sinks.event import SightingEvent
from lab.sinks.feed_sink import FeedSink
from lab.sinks.http import TIMEOUT_S, Answer, HttpClient, checked_address, multipart
from lab.sinks.secrets import secrets_of
from lab.sinks.sink import DeliverLater, DeliveryFailed, SinkRefused

COLOR = 0x6EC9A9
_FILE = "peak.jpg"
_TITLE = 256


class DiscordSink(FeedSink):
    """An embed an alert, or what `events` names: what was seen where, how surely, and the peak.

    webhook_url: or SIGHTING_LAB_DISCORD_WEBHOOK_URL, or DETSTREAM_DISCORD_WEBHOOK_URL: whoever
    knows it can post. color: of the embed, a number or `#6EC9A9`. watch_urls: by the id of a feed,
    the page where it can be watched. picture: whether the peak is attached.
    """

    def __init__(
        self,
        *,
        webhook_url: str = "",
        color: int | str = COLOR,
        watch_urls: Mapping[str, str] | None = None,
        events: Sequence[str] | None = None,
        picture: bool = True,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        found = secret_of(
            webhook_url,
            "webhook_url",
            "SIGHTING_LAB_DISCORD_WEBHOOK_URL",
            "DETSTREAM_DISCORD_WEBHOOK_URL",
        )
        self._url = checked_address(found, "webhook_url")
        self._color = _color(color)
        self._watch_urls = {
            feed: checked_address(url, f"watch_urls.{feed}")
            for feed, url in texts_by_name(watch_urls, "watch_urls").items()
        }
        self._kinds = kinds_of(events, ("alerted",))
        self._picture = picture
        self._http = HttpClient(
            "discord", secrets=secrets_of({"url": self._url}), timeout_s=timeout_s
        )
        self._free_at = 0.0

    def wants(self, event: SightingEvent) -> bool:
        return event.kind in self._kinds

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """See `lab.sinks.sink.Sink`."""
        return ("picture_jpeg",) if self._picture else ()

    def deliver(self, event: SightingEvent) -> None:
        if not self.wants(event):
            return
        wait_s = self._free_at - time.monotonic()
        if wait_s > 0:
            raise DeliverLater(wait_s, "Discord takes no more for a moment")
        has_picture = self._picture and event.picture_jpeg is not None
        message = {
            "embeds": [self._embed(event, has_picture)],
            "allowed_mentions": {"parse": []},
        }
        text = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
        kind = "application/json"
        if has_picture and event.picture_jpeg is not None:
            text, kind = multipart(
                [
                    ("payload_json", None, "application/json", text),
                    ("files[0]", _FILE, "image/jpeg", event.picture_jpeg),
                ]
            )
        self._take(self._http.send("POST", self._url, headers={"content-type": kind}, content=text))

    def keep_to(self, addresses: AddressRules) -> None:
        """See `lab.sinks.sink.Sink`."""
        self._http.keep_to(addresses)

    def close(self) -> None:
        self._http.close()

    def _embed(self, event: SightingEvent, has_picture: bool) -> dict[str, Any]:
        what = "over" if event.is_over else "spotted"
        test = "TEST: " if event.is_test else ""
        fields = [{"name": "confidence", "value": f"{event.peak_confidence:.0%}", "inline": True}]
        if event.is_over:
            fields.append({"name": "seconds", "value": f"{event.duration_s:.1f}", "inline": True})
        embed: dict[str, Any] = {
            "title": f"{test}{event.label} {what} on {event.feed_name}"[:_TITLE],
            "color": self._color,
            "fields": fields,
            "timestamp": event.offset_utc if event.is_over else event.onset_utc,
        }
        if watch_url := self._watch_urls.get(event.feed):
            embed["url"] = watch_url
            embed["description"] = f"[watch live]({watch_url})"
        if has_picture:
            embed["image"] = {"url": f"attachment://{_FILE}"}
        return embed

    def _take(self, answer: Answer) -> None:
        """See https://discord.com/developers/docs/topics/rate-limits."""
        if answer.status == 429:
            raise DeliveryFailed(self._http.words(answer), retry_after_s=_asked_s(answer))
        if answer.status == 400:
            raise SinkRefused(self._http.words(answer))
        if answer.status in (401, 403, 404):
            raise SinkRefused(
                f"{answer.host} answered {answer.status}: the webhook is gone, or its address is "
                "wrong",
                is_final=True,
            )
        if not answer.is_ok:
            raise self._http.failure(answer)
        if answer.headers.get("x-ratelimit-remaining") == "0":
            free_s = _number(answer.headers.get("x-ratelimit-reset-after"))
            self._free_at = time.monotonic() + min(free_s, 60.0)


def _asked_s(answer: Answer) -> float:
    told = answer.json()
    asked = _number(told.get("retry_after")) if isinstance(told, Mapping) else 0.0
    return max(asked, answer.retry_after_s, 0.1)


def _number(value: Any) -> float:
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return 0.0


def _color(value: int | str) -> int:
    try:
        color = value if isinstance(value, int) else int(value.lstrip("#").removeprefix("0x"), 16)
    except (AttributeError, ValueError):
        color = -1
    if not 0 <= color <= 0xFFFFFF:
        raise SettingError(f"color must be from 0 to 0xFFFFFF, or like #6EC9A9, got {value!r:.40}")
    return int(color)
