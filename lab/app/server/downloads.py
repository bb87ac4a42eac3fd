"""Tables of the whole store as files, made when they are asked for and streamed from disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode

from starlette.background import BackgroundTask
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from lab.app.server.state import AppState
from lab.app.server.threads import run_in_threadpool
from lab.formats.tables import EffortCsv, SightingsCsv
from lab.store.sighting_query import to_query, wanted_of_query
from lab.store.sightings import SightingFilter
from lab.store.tables import effort_rows


def sightings_address(wanted: SightingFilter) -> str:
    """Where the sightings that fulfil these conditions are a CSV file."""
    query = to_query(wanted)
    query.setdefault("rules", ["all" if "rule_hash" in query else "current"])
    return f"/api/sightings.csv?{urlencode(query, doseq=True)}"


def wanted_of(query: QueryParams) -> SightingFilter:
    """The conditions of such an address. Raises SettingError for those that are not valid."""
    return wanted_of_query({name: query.getlist(name) for name in dict.fromkeys(query)})


def downloads(
    here: AppState,
) -> dict[str, Callable[[Request], Any]]:
    """Handlers of requests, by path."""

    async def sightings(request: Request) -> Response:
        return await csv_of_sightings(here, wanted_of(request.query_params))

    async def effort(request: Request) -> Response:
        def write(out: BinaryIO) -> None:
            out.write(EffortCsv().write(effort_rows(here.store)).encode())

        return await written_file("effort.csv", write)

    return {"/api/sightings.csv": sightings, "/api/effort.csv": effort}


async def csv_of_sightings(here: AppState, wanted: SightingFilter) -> Response:
    """The sightings that fulfil these conditions as a CSV file."""

    def write(out: BinaryIO) -> None:
        SightingsCsv().write_batches(here.store.sighting_batches(**wanted), out)

    return await written_file("sightings.csv", write)


async def written_file(
    name: str, write: Callable[[BinaryIO], None], media_type: str = "text/csv"
) -> Response:
    """A file that is written first, so that an error is an answer, and removed once it is sent."""
    folder = tempfile.TemporaryDirectory(prefix="lab-")
    path = Path(folder.name) / name
    try:
        with path.open("wb") as out:
            await run_in_threadpool(write, out)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        path,
        media_type=media_type,
        filename=name,
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(folder.cleanup),
    )
