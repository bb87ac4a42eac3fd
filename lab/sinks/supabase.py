"""The sink that keeps rows and thumbnails in a project of Supabase, as detstream's does."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.access.addresses import AddressRules
from lab.clock import utc_text
from lab.errors import SettingError
from lab.sinks.choices import number_of, secret_of
from lab.sinks.event import SightingEvent
from lab.sinks.feed_sink import FeedSink
from lab.sinks.http import TIMEOUT_S, HttpClient, Params, checked_address
from lab.sinks.picture import smaller
from lab.sinks.secrets import secrets_of
from lab.sinks.sink import DeliveryFailed

_CLEAN_EVERY_S = 3600.0
_BATCH = 100
# The times of a sighting differ a little from event to event, as frames arrive.
_SAME_ONSET = timedelta(seconds=60)


class SupabaseSink(FeedSink):
    """A row in the table `sightings` at each alert, patched when the sighting is over.

    url, key: or SIGHTING_LAB_SUPABASE_URL and _KEY, or DETSTREAM_SUPABASE_URL and _KEY. bucket: of
    thumbnails, each at most `thumbnail_width` pixels wide. detector_label: for the column
    `detector`; the name of the detector unless it is given. retention_hours: older rows are
    removed, with their thumbnails, once an hour; 0 for never.

    Once a minute `cams.last_frame_at` says when a feed had its last frame. Rows that another
    process left open are closed when a feed has its first frame.
    """

    def __init__(
        self,
        *,
        url: str = "",
        key: str = "",
        bucket: str = "thumbnails",
        detector_label: str = "",
        retention_hours: float = 3.0,
        thumbnail_width: int = 960,
        thumbnail_quality: int = 70,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        names = ("SIGHTING_LAB_SUPABASE", "DETSTREAM_SUPABASE")
        address = secret_of(url, "url", *(f"{name}_URL" for name in names))
        self._base = checked_address(address, "url").rstrip("/")
        self._key = secret_of(key, "key", *(f"{name}_KEY" for name in names))
        if not self._key.isascii() or not self._key.isprintable():
            raise SettingError("key has characters that no key of Supabase has")
        self._bucket, self._detector_label = bucket, detector_label
        self._retention_hours = number_of(retention_hours, "retention_hours", 0, 1e6)
        self._width = int(number_of(thumbnail_width, "thumbnail_width", 16, 10_000))
        self._quality = int(number_of(thumbnail_quality, "thumbnail_quality", 1, 100))
        secrets = secrets_of({"key": self._key})
        self._http = HttpClient("supabase", secrets=secrets, timeout_s=timeout_s)
        self._began = utc_text(datetime.now(UTC))
        self._rows: dict[str, Any] = {}
        self._silent: set[str] = set()
        self._beaten: dict[str, float] = {}
        self._last_frame_at: dict[str, float] = {}
        self._clean_at = time.monotonic()

    def wants(self, event: SightingEvent) -> bool:
        return event.kind != "updated"

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """See `lab.sinks.sink.Sink`."""
        return ("picture_jpeg",) if event.is_over else ()

    def deliver(self, event: SightingEvent) -> None:
        if event.kind == "opened":
            self._silent.add(event.sighting_id)
        elif event.kind == "alerted":
            self._begin(event)
            self._silent.discard(event.sighting_id)
            if event.is_control:  # it was written, and nothing was seen
                self._take_back(event)
        elif event.is_over and event.sighting_id in self._silent:
            self._silent.discard(event.sighting_id)  # it never alerted, so it has no row
        elif event.is_over:
            self._end(event)

    def watched(self, feeds: Mapping[str, Mapping[str, Any]]) -> None:
        self._last_frame_at = {
            feed: float(one["last_frame_at"])
            for feed, one in feeds.items()
            if one.get("last_frame_at") is not None
        }

    def beat(self) -> None:
        for feed, at in self._last_frame_at.items():
            if feed not in self._beaten:
                self._close_left_open(feed)
            if self._beaten.get(feed) != at:
                text = utc_text(at)
                self._table("PATCH", "cams", {"id": f"eq.{feed}"}, {"last_frame_at": text})
                self._beaten[feed] = at
        if self._retention_hours and time.monotonic() >= self._clean_at:
            self.clean()
            self._clean_at = time.monotonic() + _CLEAN_EVERY_S

    def clean(self) -> int:
        """Remove what is older than `retention_hours`; how many rows that were."""
        before = utc_text(datetime.now(UTC) - timedelta(hours=self._retention_hours))
        asked = {"select": "id,thumbnail", "started_at": f"lt.{before}"}
        old = self._table("GET", "sightings", asked)
        paths = [path for row in old if (path := self._path_of(row.get("thumbnail")))]
        for some in _batches(paths):
            self._storage("DELETE", urllib.parse.quote(self._bucket), {"prefixes": some})
        for some in _batches([row["id"] for row in old]):
            wanted = ",".join(json.dumps(str(row_id)) for row_id in some)
            self._table("DELETE", "sightings", {"id": f"in.({wanted})"})
        return len(old)

    def keep_to(self, addresses: AddressRules) -> None:
        """See `lab.sinks.sink.Sink`."""
        self._http.keep_to(addresses)

    def close(self) -> None:
        self._http.close()

    def _begin(self, event: SightingEvent) -> None:
        row = {
            "cam_id": event.feed,
            "confidence": event.peak_confidence,
            "detector": self._detector_label or event.detector,
            "label": event.label,
            "started_at": event.onset_utc,
        }
        # The answer to an earlier try may have been lost.
        same = {name: f"eq.{row[name]}" for name in ("cam_id", "label", "started_at")}
        found = self._table("GET", "sightings", {"select": "id", **same})
        if not found:
            found = self._table("POST", "sightings", {}, row)
        if found:
            self._rows[event.sighting_id] = found[0]["id"]

    def _end(self, event: SightingEvent) -> None:
        row_id = self._rows.get(event.sighting_id)
        if row_id is None:
            row_id = self._row_of(event)
        if row_id is None:
            return  # its row was removed
        change = {"ended_at": event.offset_utc, "confidence": event.peak_confidence}
        if event.picture_jpeg is not None:
            change["thumbnail"] = self._upload(event, event.picture_jpeg)
        self._table("PATCH", "sightings", {"id": f"eq.{row_id}"}, change)
        self._rows.pop(event.sighting_id, None)

    def _take_back(self, event: SightingEvent) -> None:
        row_id = self._rows.pop(event.sighting_id, None)
        if row_id is not None:
            self._table("DELETE", "sightings", {"id": f"eq.{row_id}"})

    def _row_of(self, event: SightingEvent) -> Any:
        """The row that another process has made of the same sighting."""
        onset = datetime.fromisoformat(event.onset_utc)
        asked = [
            ("select", "id,started_at"),
            ("cam_id", f"eq.{event.feed}"),
            ("label", f"eq.{event.label}"),
            ("started_at", f"gte.{utc_text(onset - _SAME_ONSET)}"),
            ("started_at", f"lte.{utc_text(onset + _SAME_ONSET)}"),
        ]
        found = self._table("GET", "sightings", asked)
        if not found:
            return None
        return min(found, key=lambda row: _apart(row["started_at"], onset))["id"]

    def _close_left_open(self, feed: str) -> None:
        """Their end was not seen; that of those which are gone on with is told later."""
        left = {"cam_id": f"eq.{feed}", "ended_at": "is.null", "started_at": f"lt.{self._began}"}
        self._table("PATCH", "sightings", left, {"ended_at": self._began})

    def _upload(self, event: SightingEvent, picture_jpeg: bytes) -> str | None:
        """The public address of the thumbnail. A picture that is not taken loses no end."""
        small = smaller(picture_jpeg, self._width, self._quality)
        if small is None:
            return None
        place = f"{self._bucket}/{event.feed}/{event.sighting_id}.jpg"
        path = urllib.parse.quote(place)
        url = f"{self._base}/storage/v1/object/{path}"
        headers = {**self._headers(), "content-type": "image/jpeg", "x-upsert": "true"}
        answer = self._http.send("POST", url, headers=headers, content=small)
        if 400 <= answer.status < 500 and answer.status != 429:
            return None
        if not answer.is_ok:
            raise self._http.failure(answer)
        return f"{self._base}/storage/v1/object/public/{path}"

    def _path_of(self, address: Any) -> str | None:
        """Inside the bucket."""
        _, mark, path = str(address or "").partition(f"/{urllib.parse.quote(self._bucket)}/")
        return urllib.parse.unquote(path.partition("?")[0]) if mark and path else None

    def _headers(self) -> dict[str, str]:
        return {"apikey": self._key, "authorization": f"Bearer {self._key}"}

    def _table(
        self, method: str, table: str, params: Params, row: Any = None
    ) -> list[dict[str, Any]]:
        """The rows that it answers. Raises DeliveryFailed."""
        headers = {**self._headers(), "prefer": "return=representation"}
        content = None
        if row is not None:
            content = json.dumps(row).encode()
            headers["content-type"] = "application/json"
        answer = self._http.sent(
            method, f"{self._base}/rest/v1/{table}", headers=headers, params=params, content=content
        )
        found = answer.json()
        if answer.body and not isinstance(found, list):
            raise DeliveryFailed(f"{answer.host} did not answer with rows of {table}")
        return found or []

    def _storage(self, method: str, place: str, told: Mapping[str, Any]) -> None:
        headers = {**self._headers(), "content-type": "application/json"}
        content = json.dumps(told).encode()
        url = f"{self._base}/storage/v1/object/{place}"
        self._http.sent(method, url, headers=headers, content=content)


def _batches(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[start : start + _BATCH] for start in range(0, len(values), _BATCH)]


def _apart(started_at: Any, onset: datetime) -> float:
    try:
        at = datetime.fromisoformat(str(started_at))
    except ValueError:
        return float("inf")
    return abs((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - onset.timestamp())
