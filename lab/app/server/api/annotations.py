"""`/api/annotations` and `/api/labels`: what people marked, and what there is to choose from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from lab.annotation import Answer, Origin
from lab.app.server.api.route import StrictRoute
from lab.app.server.api.shared import (
    READS,
    Analyst,
    Cursor,
    Done,
    Here,
    Limit,
    Page,
    Words,
    cursor_of,
    key_at,
    page,
)
from lab.app.server.threads import run_in_threadpool
from lab.errors import NotFoundError
from lab.store.annotations import as_json

router = APIRouter(tags=["annotations"], route_class=StrictRoute)
Kind = Literal["annotation", "coverage", "verdict"]
_MOST_US = 2**53
_MOST_RECORDS = 2000
_KEY = (str, int, str, str)  # as `_key` gives it


class NewRecord(BaseModel):
    """A stretch of a clip in which a label was there (`annotation`), was looked for (`coverage`),
    or what is said of a sighting (`verdict`). Times are microseconds of media time.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Kind = "annotation"
    id: str | None = Field(None, min_length=1, max_length=255)
    label: str = Field(min_length=1, max_length=255)
    start_us: int = Field(ge=-_MOST_US, le=_MOST_US)
    end_us: int = Field(ge=-_MOST_US, le=_MOST_US)
    annotator: str = Field("me", min_length=1, max_length=255)
    origin: Origin | None = None
    verdict: Answer | None = None
    new_label: str | None = Field(None, max_length=255)
    run_id: str | None = Field(None, max_length=255)
    rule_hash: str | None = Field(None, max_length=255)


class NewRecords(BaseModel):
    """Of one clip: all of them are kept, or none."""

    model_config = ConfigDict(extra="forbid")

    media_id: str = Field(min_length=1, max_length=255)
    records: list[NewRecord] = Field(max_length=_MOST_RECORDS)


class Record(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str
    kind: Kind
    media_id: str
    label: str
    start_us: int
    end_us: int
    annotator: str
    created_utc: str


class Records(BaseModel):
    items: list[Record]


class Label(BaseModel):
    """sightings: stored ones of the current rules."""

    label: str
    sightings: int


@router.get("/labels", dependencies=READS, summary="Labels of stored sightings, with how many")
async def list_labels(
    here: Here,
    text: Words = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    cursor: Cursor = None,
) -> Page[Label]:
    after = key_at(cursor, (str,), "labels", text)
    found = await run_in_threadpool(
        lambda: here.store.sighting_counts("label", containing=text or "", current=True)
    )
    rest = [one for one in sorted(found.items()) if after is None or one[0] > after[0]]
    items = [Label(label=label, sightings=n) for label, n in rest[: limit + 1]]
    key = [items[min(limit, len(items)) - 1].label] if items else []
    return page(items, limit, cursor_of(key, "labels", text))  # type: ignore[return-value]


@router.get("/annotations", dependencies=READS, summary="What people marked, page by page")
async def list_annotations(
    here: Here,
    limit: Limit = 100,
    cursor: Cursor = None,
    media_id: Annotated[list[str] | None, Query()] = None,
    kind: Annotated[list[Kind] | None, Query()] = None,
    label: Annotated[list[str] | None, Query()] = None,
    annotator: Annotated[list[str] | None, Query()] = None,
) -> Page[Record]:
    """By clip and time. Those of one clip, as the player has them: /api/media/{id}/annotations."""
    wanted = {"media_id": media_id, "kind": kind, "label": label, "annotator": annotator}
    after = key_at(cursor, _KEY, "annotations", wanted)

    def read() -> list[dict[str, Any]]:
        of_all = media_id is None
        records = here.truth.records() if of_all else here.store.all_records(media_id)
        rows = [as_json(one) for some in records for one in some]
        chosen = [
            row
            for row in rows
            if all(given is None or row[name] in given for name, given in wanted.items())
            and (after is None or _key(row) > after)
        ]
        return sorted(chosen, key=_key)[: limit + 1]

    rows = await run_in_threadpool(read)
    key = _key(rows[min(limit, len(rows)) - 1]) if rows else []
    return page(rows, limit, cursor_of(key, "annotations", wanted))  # type: ignore[return-value]


@router.post("/annotations", status_code=201, summary="Mark stretches of a clip")
async def add_annotations(given: NewRecords, here: Here, asker: Analyst) -> Records:
    """A record with the id of an old one takes its place. The clip's records, as they are then."""
    await run_in_threadpool(here.store.media, given.media_id)
    changes = {"add": [one.model_dump(exclude_none=True) for one in given.records]}
    made = await run_in_threadpool(here.truth.change, given.media_id, changes)
    return Records(items=[Record.model_validate(row) for row in made["records"]])


@router.delete("/annotations/{record_id}", summary="Take a record back")
async def delete_annotation(record_id: str, here: Here, asker: Analyst) -> Done:
    if not await run_in_threadpool(here.store.delete_records, [record_id]):
        raise NotFoundError(f"no record {record_id!r:.80} in this store")
    return Done()


def _key(row: dict[str, Any]) -> list[Any]:
    return [row["media_id"], row["start_us"], row["kind"], row["id"]]
