"""`/api/media`: the clips of the store."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lab.annotation import utc_now
from lab.app.cli.media import media_row, parse_start
from lab.app.server.api.route import StrictRoute
from lab.app.server.api.shared import (
    READS,
    Analyst,
    Cursor,
    Here,
    Limit,
    Page,
    Utc,
    Words,
    cursor_of,
    key_at,
    page,
)
from lab.app.server.state import AppState
from lab.app.server.threads import run_in_threadpool
from lab.errors import SourceError
from lab.store.keyset import key_of, kinds_of
from lab.store.pages import CLIP_KEYS

router = APIRouter(prefix="/media", tags=["media"], route_class=StrictRoute)
_MAX_CLOCK_S = 3_155_760_000.0
_PROBE_S = 120.0
_RETRY_S = "30"


class Clip(BaseModel):
    """A clip. `start` is by the clock of its place; `*_s` are seconds of media time."""

    model_config = ConfigDict(extra="allow")

    media_id: str
    name: str
    path: str
    duration_s: float
    site: str | None
    start: str | None
    deployment_id: str | None
    is_present: bool
    problem: str | None = Field(description="Why its file cannot be used, if so.")
    width_px: int
    height_px: int
    frame_rate: float | None
    size_bytes: int
    codec: str
    added_utc: Utc
    state: Literal["new", "analysed", "reviewed"] | None = None


class NewClip(BaseModel):
    """A file of this server, under its media_roots."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, max_length=4096)


class ClipChanges(BaseModel):
    """What is known of a clip; what is not given stays, null clears it."""

    model_config = ConfigDict(extra="forbid")

    site: str | None = Field(None, max_length=255)
    start: str | None = Field(
        None, max_length=64, description="ISO 8601 with the UTC offset of the place."
    )
    clock_correction_s: float | None = Field(None, ge=-_MAX_CLOCK_S, le=_MAX_CLOCK_S)
    deployment_id: str | None = Field(None, max_length=255)


@router.get("", dependencies=READS, summary="Clips, page by page")
async def list_media(
    here: Here,
    limit: Limit = 100,
    cursor: Cursor = None,
    order: Literal["newest", "name"] = "newest",
    media_id: Annotated[list[str] | None, Query()] = None,
    text: Words = None,
    site: Annotated[list[str] | None, Query()] = None,
    state: Annotated[list[Literal["new", "analysed", "reviewed"]] | None, Query()] = None,
    folder: Words = None,
    deployment_id: Words = None,
    from_date: date | None = None,
    to_date: date | None = None,
) -> Page[Clip]:
    wanted: dict[str, Any] = {
        "media_id": media_id, "text": text, "site": site, "state": state, "folder": folder,
        "deployment_id": deployment_id, "from_date": from_date, "to_date": to_date,
    }  # fmt: skip
    after = key_at(cursor, kinds_of(CLIP_KEYS[order]), "media", order, wanted)
    rows = await run_in_threadpool(
        lambda: here.store.page_of_clips(order, after, limit + 1, **wanted)
    )
    key = key_of(CLIP_KEYS[order], rows[min(limit, len(rows)) - 1]) if rows else []
    shown = await anyio.to_thread.run_sync(lambda: [_shown(row) for row in rows[:limit]])
    return page([*shown, *rows[limit:]], limit, cursor_of(key, "media", order, wanted))  # type: ignore[return-value]


@router.get("/{media_id}", dependencies=READS, summary="One clip")
async def get_media(media_id: str, here: Here) -> Clip:
    return await _shown_clip(here, await run_in_threadpool(here.store.media, media_id))


@router.post("", status_code=201, summary="Take a file into the store; 200 if it was there")
async def add_media(
    given: NewClip, request: Request, response: Response, here: Here, asker: Analyst
) -> Clip:
    begun = utc_now()
    media_id = await anyio.to_thread.run_sync(_probed, here, given.path)
    here.forget(media_id)
    row = await run_in_threadpool(here.store.media, media_id)
    response.status_code = 201 if row["added_utc"] >= begun else 200
    response.headers["Location"] = f"{request.scope['root_path']}/media/{media_id}"
    return await _shown_clip(here, row)


@router.patch("/{media_id}", summary="Say where and when a clip was recorded")
async def edit_media(media_id: str, changes: ClipChanges, here: Here, asker: Analyst) -> Clip:
    given = changes.model_dump(exclude_unset=True)
    return await _shown_clip(here, await run_in_threadpool(_edited, here, media_id, given))


def _edited(here: AppState, media_id: str, given: dict[str, Any]) -> dict[str, Any]:
    store = here.store
    store.media(media_id)
    values: dict[str, Any] = {}
    if "site" in given:
        values["site"] = (given["site"] or "").strip() or None
    if "start" in given:
        values |= parse_start(given["start"] or "")
    if "clock_correction_s" in given:
        values["clock_correction_s"] = given["clock_correction_s"] or 0.0
    if "deployment_id" in given:
        store.join_clips({media_id: (given["deployment_id"] or "").strip() or None})
    if values:
        store.edit_media(media_id, **values)
    here.forget(media_id)
    return store.media(media_id)


def _probed(here: AppState, given: str) -> str:
    """The clip's id, once a worker has read the file: what is in it may harm who opens it.

    Raises ForbiddenError, SourceError, or HTTPException, 503, where the worker has no time.
    """
    path = str(here.config.allowed(given, here.store.uploads_folder))
    job = here.engine.submit(
        "probes",
        f"read {path}",
        clips=[{"path": path, "relative_path": None}],
        store=str(here.store.folder),
    )
    if not job.finished.wait(_PROBE_S):
        is_waiting = job.state == "queued"
        here.engine.cancel(job.job_id)
        if is_waiting:
            raise HTTPException(
                503,
                "the worker that reads clips is at other ones; try again later",
                {"Retry-After": _RETRY_S},
            )
        raise SourceError(f"{Path(path).name} was not read in {_PROBE_S:g} s; is it whole?")
    if job.result is None:
        raise SourceError(job.error or "the file could not be read")
    (found,) = job.result["clips"]
    if "media_id" not in found:
        raise SourceError(str(found.get("error") or "the file could not be read"))
    return str(found["media_id"])


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return media_row(row) | row


async def _shown_clip(here: AppState, row: dict[str, Any]) -> Clip:
    """Its file is looked at, in a thread: a disk of the network may keep one waiting."""
    media_id = row["media_id"]
    listed = await run_in_threadpool(
        lambda: here.store.page_of_clips("name", None, 1, media_id=media_id)
    )
    known = row | {"state": listed[0]["state"] if listed else None}
    return Clip.model_validate(await anyio.to_thread.run_sync(_shown, known))
