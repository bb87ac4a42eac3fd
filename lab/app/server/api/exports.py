"""`/api/exports`: what the store holds, as files of other programs."""

from __future__ import annotations

from typing import Any, BinaryIO, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel
from starlette.responses import Response

from lab.app.server.api.route import StrictRoute
from lab.app.server.api.runs import run_row
from lab.app.server.api.shared import READS, Here
from lab.app.server.downloads import written_file
from lab.app.server.state import AppState
from lab.app.server.threads import run_in_threadpool
from lab.errors import LabError, NotFoundError
from lab.formats.annotations.files import write_rows
from lab.formats.export import Export, as_bytes, exports
from lab.store.tables import effort_rows

router = APIRouter(tags=["exports"], route_class=StrictRoute)
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"application/octet-stream": {}}}
}


class Kind(BaseModel):
    """A form of a file. content: what its rows are."""

    name: str
    content: Literal["annotations", "sightings", "effort"]
    suffix: str
    media_type: str
    is_of_one_media: bool


class Kinds(BaseModel):
    items: list[Kind]


@router.get("/exports", dependencies=READS, summary="The kinds of files that can be had")
async def list_exports(here: Here) -> Kinds:
    found = []
    for name in exports.names():
        try:
            made = exports.make(name, Export)  # type: ignore[type-abstract]
        except LabError:  # a plugin that cannot be loaded
            continue
        found.append(
            Kind(
                name=name,
                content=made.content,
                suffix=made.suffix,
                media_type=made.media_type,
                is_of_one_media=made.is_of_one_media,
            )
        )
    return Kinds(items=found)


@router.get(
    "/runs/{run_id}/exports/{kind}", dependencies=READS, response_class=Response, responses=_FILE,
    summary="A run's sightings, its effort, or what is marked of its clip, as a file",
)  # fmt: skip
async def export_run(
    run_id: str,
    here: Here,
    kind: str = Path(min_length=1, max_length=255),
    rules: Literal["current", "all"] = "current",
) -> Response:
    """rules: of sightings, those of the current rule, or of all rules."""
    made = _export(kind)
    row = await run_in_threadpool(run_row, here, run_id)

    def write(out: BinaryIO) -> None:
        if made.content == "sightings":
            wanted = here.store.sighting_batches(run_id=run_id, current=rules == "current")
            made.write_batches(wanted, out)
        elif made.content == "effort":
            out.write(as_bytes(made.write(effort_rows(here.store, run_id=run_id))))
        else:
            out.write(as_bytes(_annotations(here, row["media_id"], kind)))

    return await written_file(f"{run_id}{made.suffix}", write, made.media_type)


@router.get(
    "/exports/{kind}", dependencies=READS, response_class=Response, responses=_FILE,
    summary="The sightings, the effort or the marks of the whole store, as a file",
)  # fmt: skip
async def export_store(
    here: Here,
    kind: str = Path(min_length=1, max_length=255),
    rules: Literal["current", "all"] = "current",
) -> Response:
    """Sightings that fulfil conditions: `/api/sightings`."""
    made = _export(kind)

    def write(out: BinaryIO) -> None:
        if made.content == "sightings":
            made.write_batches(here.store.sighting_batches(current=rules == "current"), out)
        elif made.content == "effort":
            out.write(as_bytes(made.write(effort_rows(here.store))))
        else:
            annotations, coverage, _ = here.store.all_records()
            out.write(as_bytes(write_rows(annotations, coverage, here.store.all_media(), kind)))

    return await written_file(f"{made.content}{made.suffix}", write, made.media_type)


def _export(kind: str) -> Export:
    if kind not in exports:
        raise NotFoundError(f"no export {kind!r:.80}; /api/exports lists them")
    made: Export = exports.make(kind, Export)  # type: ignore[type-abstract]
    return made


def _annotations(here: AppState, media_id: str, kind: str) -> str | bytes:
    store = here.store
    annotations, coverage, _ = store.all_records(media_id)
    return write_rows(annotations, coverage, [store.media(media_id)], kind)
