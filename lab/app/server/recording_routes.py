"""The routes of what was recorded of a live source: where its segments lie, and each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from lab.app.server.access import OurHandler
from lab.app.server.state import AppState
from lab.app.server.threads import run_in_threadpool
from lab.errors import ForbiddenError, NotFoundError
from lab.video.live.playback import browser_type, placed_segments

_SEGMENT = re.compile(r"[0-9]{1,9}\.mp4")
_FRESH = {"Cache-Control": "no-store"}
_INIT_BYTES = 256  # a file that has less holds no picture yet


def recording_handlers(here: AppState) -> list[OurHandler]:
    """Path, scope, handler and methods of each route."""

    async def index(request: Request) -> Response:
        media_id = request.path_params["media_id"]
        folder = await _folder(media_id)
        facts = await anyio.to_thread.run_sync(_index_of, folder)
        facts["is_open"] = any(
            feed.get("media_id") == media_id for feed in here.live.feeds().values()
        )
        return JSONResponse(facts, headers=_FRESH)

    async def segment(request: Request) -> Response:
        name = request.path_params["segment"]
        folder = await _folder(request.path_params["media_id"])
        if not _SEGMENT.fullmatch(name) or not (folder / name).is_file():
            raise NotFoundError(f"the recording has no segment {name[:40]!r}")
        if "range" in request.headers and _begins_at_end(request, folder / name):
            return Response(status_code=204, headers=_FRESH)  # nothing new
        return FileResponse(folder / name, media_type="video/mp4", headers=_FRESH)

    async def _folder(media_id: str) -> Path:
        media = here.known_media(media_id)
        if media is None:
            media = await run_in_threadpool(here.media, media_id)
        return recording_folder(here, media)

    return [
        ("/api/recordings/{media_id}/index", "read", index, ["GET"]),
        ("/api/recordings/{media_id}/{segment}", "read", segment, ["GET"]),
    ]


def is_recording(here: AppState, media: Mapping[str, Any]) -> bool:
    """Whether a media is what was recorded of a feed."""
    return Path(media["path"]).is_relative_to(here.store.folder / "feeds")


def recording_folder(here: AppState, media: Mapping[str, Any]) -> Path:
    """Where the packets of a recording lie. Raises NotFoundError if the media is none, or was
    removed; ForbiddenError if a link leads out of the store.
    """
    if not is_recording(here, media):
        raise NotFoundError(f"{media['media_id']} is no recording of a live source")
    folder = Path(media["path"]).resolve()
    if not folder.is_relative_to((here.store.folder / "feeds").resolve()):
        raise ForbiddenError(f"the recording {media['media_id']} lies outside the store")
    if not folder.is_dir():
        raise NotFoundError(f"the recording {media['media_id']} was removed, or moved away")
    return folder


def segment_at(folder: Path, pts_us: int) -> tuple[str, float, float] | None:
    """The file that shows a media time, if it is still there and a browser can play it: its name,
    when it begins in media time, and what is added to its own times to have media time, both in s.
    """
    before = [one for one in placed_segments(folder) if one.start_s * 1e6 <= pts_us]
    if not before or not (folder / before[-1].name).is_file():
        return None
    last = before[-1]
    if _type_of(folder / last.name)[0] is None:
        return None
    return last.name, last.start_s, last.offset_s


def _index_of(folder: Path) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for one in placed_segments(folder):
        file = folder / one.name
        if file.is_file() and file.stat().st_size > _INIT_BYTES:  # old ones are removed by age
            found.append(
                {
                    "name": one.name,
                    "offset_s": one.offset_s,
                    "start_s": one.start_s,
                    "until_s": one.until_s,
                }
            )
    kind, codec = _type_of(folder / found[-1]["name"]) if found else (None, "")
    why = f"its codec is {codec}" if codec and kind is None else "nothing is recorded yet"
    return {"segments": found, "codec": kind, "why": "" if kind else why}


@lru_cache(maxsize=256)
def _type_of(file: Path) -> tuple[str | None, str]:
    return browser_type(file)


def _begins_at_end(request: Request, file: Path) -> bool:
    begin = request.headers["range"].removeprefix("bytes=").partition("-")[0]
    return begin.isdecimal() and int(begin[:18]) >= file.stat().st_size
