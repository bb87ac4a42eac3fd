"""What the page Feeds and Prometheus ask: the feeds of a store, their last pictures, metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import yaml
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from lab.app.server.access import OurHandler
from lab.app.server.body import json_object, name, whole_number
from lab.app.server.made_here import of_file
from lab.app.server.state import AppState
from lab.errors import NotFoundError, SettingError
from lab.feeds.commands import send
from lab.feeds.feed import FEED_ID
from lab.feeds.metrics import CONTENT_TYPE, metrics_text
from lab.feeds.write_feeds import app_file
from lab.video.live.captures.watched_folder import announce

_FRESH = {"Cache-Control": "no-store"}
_MOST_ROWS = 200
_MOST_SINKS = 100
_ANSWER_S = 20.0
_FOLDERS = ("segments", "images")
UNWATCHED = "unwatched"
# What a page may ask for with a click; what changes settings goes through the page's own forms.
_CLICKS = ("start", "stop", "analyse_now", "rule_of_file")
_SHOWN = (
    "name", "source", "source_type", "state", "since", "reason", "retry_at", "run_id",
    "last_run_id", "detector",
    "every_s", "width_px", "height_px", "decoded", "analysed", "skipped", "failed", "reconnects",
    "lag_s", "inference_s", "last_frame_at", "picture_at", "problem", "drift", "compared_with",
    "rule_is_set_here",
)  # fmt: skip
_SHOWN_OF_SINKS = (
    "type", "state", "waiting", "delivered", "failed", "dropped", "reason", "last_delivery_at",
)  # fmt: skip
_TROUBLE = ("failed", "reconnecting", "frozen", "starting")
Row = dict[str, Any]


def feeds_of(here: AppState) -> dict[str, Row]:
    """Each feed by its id: as the process that watches tells it, or, while nothing watches, those
    that were made on pages.
    """
    status = here.live.get()
    if status is not None:
        return dict(status.get("feeds") or {})
    return dict(_of_file(app_file(here.store.folder)))


def overview(
    here: AppState, *, text: str = "", state: str = "", first: int = 0, count: int = 48
) -> dict[str, Any]:
    """What the page shows: `count` feeds from `first` on of those that fit, and all sinks.

    text: a part of a feed's id, name or source. state: of feeds; "trouble" for those that should
    be live and are not.
    """
    status, feeds, is_of_file = here.live.get(), feeds_of(here), of_file(here)
    words = text.casefold().split()
    found = {
        feed_id: row
        for feed_id, row in feeds.items()
        if _has_words(feed_id, row, words) and _has_state(row, state)
    }
    first = max(0, min(first, (len(found) - 1) // max(1, count) * count if found else 0))
    shown = list(found.items())[first : first + count]
    sinks = (status or {}).get("sinks") or {}
    return {
        "now": time.time(),
        "is_watched": status is not None,
        "problem": (status or {}).get("problem"),
        "total": len(feeds),
        "fitting": len(found),
        "first": first,
        "states": Counter(row.get("state", UNWATCHED) for row in feeds.values()),
        "rows": [
            {**shown_feed(feed_id, row), "is_of_file": is_of_file("feeds", feed_id)}
            for feed_id, row in shown
        ],
        "sinks": [
            {
                "name": sink,
                **{key: row.get(key) for key in _SHOWN_OF_SINKS},
                "is_of_file": is_of_file("sinks", sink),
            }
            for sink, row in list(sinks.items())[:_MOST_SINKS]
        ],
    }


def feed_handlers(here: AppState) -> list[OurHandler]:
    """Path, scope, handler and methods of each route."""

    async def feeds(request: Request) -> Response:
        asked = request.query_params
        first = whole_number(asked.get("first", "0"), "first")
        count = whole_number(asked.get("count", "48"), "count")
        if not 1 <= count <= _MOST_ROWS:
            raise SettingError(f"count must be from 1 to {_MOST_ROWS}, got {count}")
        wanted = {"text": asked.get("text", ""), "state": asked.get("state", "")}
        found = await anyio.to_thread.run_sync(
            lambda: overview(here, first=first, count=count, **wanted)
        )
        return JSONResponse(found, headers=_FRESH)

    async def command(request: Request) -> Response:
        body = await json_object(request)
        do, feed_id = name(body, "do"), request.path_params["feed_id"]
        if do not in _CLICKS:
            raise SettingError(f"do must be one of {', '.join(_CLICKS)}, got {do[:40]!r}")
        if here.live.feed(feed_id) is None:
            raise NotFoundError(f"no feed {feed_id!r:.80} is watched in this store")
        asked = {"do": do, "feed": feed_id}
        await anyio.to_thread.run_sync(send, here.store.folder, asked, _ANSWER_S)
        return JSONResponse({"status": "ok"})

    async def segments(request: Request) -> Response:
        body = await json_object(request)
        file, feed_id = name(body, "name"), request.path_params["feed_id"]
        known = here.live.feed(feed_id)
        if known is None:
            raise NotFoundError(f"no feed {feed_id!r:.80} is watched in this store")
        if known.get("source_type") not in _FOLDERS:
            raise SettingError(f"feed {feed_id} watches no folder, but {known.get('source_type')}")
        place = here.store.folder / "feeds" / feed_id / "source"
        await anyio.to_thread.run_sync(announce, place, file)
        return JSONResponse({"status": "ok"}, 202)

    async def picture(request: Request) -> Response:
        feed_id = request.path_params["feed_id"]
        file = here.store.folder / "feeds" / feed_id / "last.jpg"
        try:
            if not FEED_ID.fullmatch(feed_id):
                raise FileNotFoundError
            # Whole, for it may be replaced by one of another size at any moment.
            content = await anyio.Path(file).read_bytes()
        except OSError:
            raise HTTPException(404, "no picture of this feed yet") from None
        return Response(content, media_type="image/jpeg", headers=_FRESH)

    async def metrics(request: Request) -> Response:
        text = await anyio.to_thread.run_sync(
            lambda: metrics_text(here.live.get(), _jobs(here), here.workers.counts())
        )
        return PlainTextResponse(text, media_type=CONTENT_TYPE, headers=_FRESH)

    return [
        ("/api/feeds", "read", feeds, ["GET"]),
        ("/api/feeds/{feed_id}/command", "analyse", command, ["POST"]),
        ("/api/feeds/{feed_id}/segments", "analyse", segments, ["POST"]),
        ("/api/feeds/{feed_id}/last.jpg", "read", picture, ["GET"]),
        ("/metrics", "read", metrics, ["GET"]),
    ]


def _jobs(here: AppState) -> Mapping[str, int]:
    queue = here.analyses.queue
    return {} if queue is None else {str(state): n for state, n in queue.counts().items()}


def _control(control: Row | None) -> Row | None:
    """How the last control of a feed went, without its figures."""
    if control is None:
        return None
    report = control.get("report") or {}
    return {
        **{key: control.get(key) for key in ("state", "text", "next_at")},
        "at": report.get("began"),
    }


def _of_file(file: Path) -> dict[str, Row]:
    """The feeds that a file names, without anything that could hold a secret."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    rows = content.get("feeds") if isinstance(content, dict) else None
    return {
        row["id"]: {
            "name": str(row.get("name") or ""),
            "source_type": str((row.get("source") or {}).get("type") or ""),
            "state": UNWATCHED,
        }
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
        and isinstance(row.get("id"), str)
        and isinstance(row.get("source") or {}, dict)
    }


def _has_words(feed_id: str, row: Row, words: list[str]) -> bool:
    texts = (feed_id, row.get("name") or "", row.get("source") or "")
    known = " ".join(texts).casefold()
    return all(word in known for word in words)


def _has_state(row: Row, state: str) -> bool:
    if state == "trouble":
        return row.get("state") in _TROUBLE or bool(row.get("problem"))
    return not state or row.get("state") == state


def shown_feed(feed_id: str, row: Row) -> Row:
    """What others may see of a feed's row."""
    day = row.get("day") or {}
    return {
        "id": feed_id,
        **{key: row.get(key) for key in _SHOWN},
        "sightings": day.get("sightings") or {},
        "alerts": day.get("alerts") or 0,
        "present": list(row.get("present") or {}),
        "control": _control(row.get("control")),
    }
