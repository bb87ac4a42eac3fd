"""`/api/sightings`: what rules found and what was kept of it."""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import QueryParams
from starlette.responses import Response

from lab.app.server.api.answers import (
    ARROW,
    CSV,
    JSON,
    Batches,
    accepted,
    arrow_answer,
    check_whole,
)
from lab.app.server.api.route import StrictRoute
from lab.app.server.api.shared import READS, Cursor, Here, Limit, Page, cursor_of, key_at, page
from lab.app.server.downloads import csv_of_sightings, wanted_of
from lab.app.server.threads import run_in_threadpool
from lab.errors import NotFoundError, SettingError
from lab.store.keyset import key_of, kinds_of
from lab.store.pages import SIGHTING_KEYS
from lab.store.sighting_query import LISTS, NAMES
from lab.store.sightings import SightingFilter
from lab.store.tables import STORED_SIGHTING_COLUMNS, sighting_rows

router = APIRouter(prefix="/sightings", tags=["sightings"], route_class=StrictRoute)
Order = Literal["time", "newest", "label", "confidence", "least_confidence", "onset"]
_OURS = ("order", "limit", "cursor", "token")
_CONDITIONS = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "schema": {"type": "array", "items": {"type": "string"}} if name in (*LISTS, "weekday")
        else {"type": "string", "maxLength": 255},
    }
    for name in NAMES
]  # fmt: skip
_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page as JSON; all of them as CSV, or as a stream of Arrow.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in (ARROW, CSV)
        },
    }
}


class StoredSighting(BaseModel):
    """A sighting that was kept; times in seconds of media time."""

    model_config = ConfigDict(extra="allow")

    sighting_id: str
    label: str
    media: str | None
    media_id: str
    run_id: str
    rule_hash: str
    rule_name: str | None
    onset_s: float
    offset_s: float
    duration_s: float
    onset_utc: str | None
    peak_s: float
    peak_confidence: float
    alert_s: float | None
    site: str | None


@router.get(
    "", dependencies=READS, response_model=Page[StoredSighting], responses=_FORMS,
    openapi_extra={"parameters": _CONDITIONS},
    summary="Stored sightings, those that fulfil conditions",
)  # fmt: skip
async def list_sightings(
    request: Request, here: Here, limit: Limit = 100, cursor: Cursor = None, order: Order = "time"
) -> Any:
    """The conditions are those of `/api/sightings.csv`. CSV and Arrow are by clip and time."""
    conditions = sorted((k, v) for k, v in request.query_params.multi_items() if k not in _OURS)
    wanted = wanted_of(QueryParams(conditions))
    kind = accepted(request, JSON, ARROW, CSV)
    if kind != JSON:
        check_whole(request)
        if order != "time":
            raise SettingError(f"CSV and Arrow are by clip and time; {order} is for {JSON}")
    if kind == CSV:
        return await csv_of_sightings(here, wanted)
    if kind == ARROW:
        return await arrow_of_sightings(here, wanted)
    after = key_at(cursor, kinds_of(SIGHTING_KEYS[order]), "sightings", order, conditions)
    rows = await run_in_threadpool(
        lambda: here.store.page_of_sightings(order, after, limit + 1, **wanted)
    )
    key = key_of(SIGHTING_KEYS[order], rows[min(limit, len(rows)) - 1]) if rows else []
    shown = [_as_json(row) for row in sighting_rows(here.store, rows)]
    return page(shown, limit, cursor_of(key, "sightings", order, conditions))


@router.get("/{sighting_id}", dependencies=READS, summary="One stored sighting")
async def get_sighting(sighting_id: str, here: Here) -> StoredSighting:
    rows = await run_in_threadpool(lambda: here.store.sightings(sighting_id=sighting_id))
    if not rows:
        raise NotFoundError(f"no sighting {sighting_id!r:.80} in this store")
    (row,) = sighting_rows(here.store, rows)
    return StoredSighting.model_validate(_as_json(row))


async def arrow_of_sightings(here: Here, wanted: SightingFilter) -> Response:
    """All that fulfil the conditions, of one moment."""

    def batches() -> Batches:
        yield from here.store.sighting_batches(**wanted)

    return await arrow_answer(batches, pa.schema([(n, pa.null()) for n in STORED_SIGHTING_COLUMNS]))


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"saved_utc": row["saved_utc"].isoformat() + "Z"}
