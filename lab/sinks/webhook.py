"""The sink that posts events to an address, signed as Standard Webhooks has it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from lab.access.addresses import AddressRules
from lab.errors import SettingError
from lab.sinks.choices import kinds_of, secret_of, texts_by_name
from lab.sinks.event import SightingEvent
from lab.sinks.http import TIMEOUT_S, Answer, HttpClient, checked_address, multipart
from lab.sinks.secrets import secrets_of
from lab.sinks.sink import Row, Sink, SinkRefused

_EVENTS = ("opened", "alerted", "closed")
_PREFIX = "whsec_"
_ROWS = 200
Picture = Literal["none", "base64", "multipart"]


class WebhookSink(Sink):
    """Posts `{"type": "sighting.alerted", "timestamp": ..., "data": {...}}`, one event a request.

    url: or SIGHTING_LAB_WEBHOOK_URL. secret: `whsec_` and base64 of 24 to 64 bytes, or
    SIGHTING_LAB_WEBHOOK_SECRET; several, separated by spaces, while keys are changed: each signs.
    events: which ones. picture: the peak with its boxes as base64 in `data.picture_jpeg`, or as the
    part `picture` of a form whose part `event` is the JSON. The signature is of the whole body,
    which in a form is no text: some libraries verify text alone.
    headers: sent along.

    https://www.standardwebhooks.com: `webhook-id` is the event's id, the same over retries.
    """

    def __init__(
        self,
        *,
        url: str = "",
        secret: str | Sequence[str] = "",
        events: Sequence[str] | None = None,
        picture: Picture = "none",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._url = checked_address(secret_of(url, "url", "SIGHTING_LAB_WEBHOOK_URL"), "url")
        self._keys = _keys_of(secret)
        self._kinds = kinds_of(events, _EVENTS)
        if picture not in ("none", "base64", "multipart"):
            raise SettingError(f"picture must be none, base64 or multipart, got {picture!r}")
        self._picture = picture
        self._headers = _headers_of(headers)
        named = {"url": self._url, "secret": secret, "auth": list(self._headers.values())}
        self._http = HttpClient("webhook", secrets=secrets_of(named), timeout_s=timeout_s)

    def write(self, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), _ROWS):
            some = [dict(row) for row in rows[start : start + _ROWS]]
            text = json.dumps(some, default=str, sort_keys=True)
            number = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
            data = {"sightings": json.loads(text)}
            self._post(f"rows-{number}", {"type": "sightings.found", "data": data}, None)

    def wants(self, event: SightingEvent) -> bool:
        return event.kind in self._kinds or event.is_test

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """See `lab.sinks.sink.Sink`."""
        return () if self._picture == "none" else ("picture_jpeg",)

    def deliver(self, event: SightingEvent) -> None:
        if not self.wants(event):
            return
        data = event.to_dict()
        del data["recording"]  # a folder of this machine
        whole = {"type": f"sighting.{event.kind}", "timestamp": event.created_utc, "data": data}
        if self._picture == "base64" and event.picture_jpeg is not None:
            data["picture_jpeg"] = base64.b64encode(event.picture_jpeg).decode()
        part = event.picture_jpeg if self._picture == "multipart" else None
        self._post(event.event_id, whole, part)

    def keep_to(self, addresses: AddressRules) -> None:
        """See `lab.sinks.sink.Sink`."""
        self._http.keep_to(addresses)

    def close(self) -> None:
        self._http.close()

    def _post(self, message_id: str, whole: Mapping[str, Any], picture: bytes | None) -> None:
        body = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
        kind = "application/json"
        if picture is not None:
            body, kind = multipart(
                [
                    ("event", None, "application/json", body),
                    ("picture", "peak.jpg", "image/jpeg", picture),
                ]
            )
        message_id = message_id.replace(".", "-")  # the parts of what is signed are joined by dots
        moment = int(time.time())
        headers = {
            **self._headers,
            "content-type": kind,
            "user-agent": "sighting-lab",
            "webhook-id": message_id,
            "webhook-timestamp": str(moment),
        }
        if self._keys:
            headers["webhook-signature"] = " ".join(
                signature(key, message_id, moment, body) for key in self._keys
            )
        self._take(self._http.send("POST", self._url, headers=headers, content=body))

    def _take(self, answer: Answer) -> None:
        if answer.status == 410:
            raise SinkRefused(f"{answer.host} answered 410, it wants no more", is_final=True)
        if not answer.is_ok:
            raise self._http.failure(answer)


def signature(key: bytes, message_id: str, moment: int, body: bytes) -> str:
    """Of Standard Webhooks, version 1. moment: Unix seconds."""
    text = f"{message_id}.{moment}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, text, "sha256")).decode()


def _headers_of(headers: Mapping[str, str] | None) -> dict[str, str]:
    found = {name.lower(): text for name, text in texts_by_name(headers, "headers").items()}
    for name, text in found.items():
        if not (name.isascii() and name.replace("-", "").isalnum()):
            raise SettingError(f"headers: {name!r} is no name of a header")
        if not (text.isascii() and text.isprintable()):
            raise SettingError(f"headers.{name} must be printable ASCII")
    return found


def _keys_of(secret: str | Sequence[str]) -> list[bytes]:
    words = secret.split() if isinstance(secret, str) else [str(one).strip() for one in secret]
    if not words:
        words = os.environ.get("SIGHTING_LAB_WEBHOOK_SECRET", "").split()
    return [_key_of(word) for word in words]


def _key_of(word: str) -> bytes:
    text = word.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if not 24 <= len(key) <= 64:
        raise SettingError(
            "secret must be whsec_ and the base64 of 24 to 64 bytes; make one with: "
            'echo "whsec_$(openssl rand -base64 32)"'
        )
    return key
