"""Tables of the whole store as files, made when they are asked for and streamed from disk."""

from __future__ import annotations

import math
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
from lab.errors import SettingError
from lab.formats.tables import EffortCsv, SightingsCsv
from lab.store.sightings import SightingFilter
from lab.store.tables import effort_rows

_LISTS = ("run_id", "site", "label", "name", "media_id", "rule_hash")
_NUMBERS = ("min_confidence", "max_confidence")
_DURING = ("from_s", "to_s")


def sightings_address(wanted: SightingFilter) -> str:
    """Where the sightings that fulfil these conditions are a CSV file."""
    given: dict[str, Any] = {k: v for k, v in wanted.items() if v is not None}
    given["rules"] = "current" if given.pop("current", False) else "all"
    during_us = given.pop("during_us", None)
    if during_us is not None:
        given |= {k: v / 1e6 for k, v in zip(_DURING, during_us, strict=True)}
    query = urlencode(given, doseq=True)
    return f"/api/sightings.csv?{query}"


def wanted_of(query: QueryParams) -> SightingFilter:
    """The conditions of such an address. Raises SettingError for those that are not valid.

    rules: `current`, which is the default, or `all`; see `SightingFilter`.
    """
    rules = query.get("rules", "all" if "rule_hash" in query else "current")
    if rules not in ("current", "all"):
        raise SettingError(f"rules must be current or all, got {rules[:80]!r}")
    wanted: dict[str, Any] = {"current": True} if rules == "current" else {}
    for name in dict.fromkeys(query):
        if name in _LISTS:
            wanted[name] = query.getlist(name)
        elif name in _NUMBERS:
            wanted[name] = _number(query, name)
        elif name not in (*_DURING, "rules"):
            known = ", ".join((*_LISTS, *_NUMBERS, *_DURING, "rules"))
            raise SettingError(f"sightings are not chosen by {name[:80]!r}; give any of {known}")
    if any(name in query for name in _DURING):
        begin, end = (_number(query, name) for name in _DURING)
        wanted["during_us"] = (round(begin * 1e6), round(end * 1e6))
    return wanted  # type: ignore[return-value]


def _number(query: QueryParams, name: str) -> float:
    try:
        value = float(query[name])
    except (KeyError, ValueError):
        value = math.nan
    if not abs(value) < 2**40:
        raise SettingError(f"{name} must be a number, got {query.get(name, '')[:80]!r}")
    return value


def downloads(
    here: AppState,
) -> dict[str, Callable[[Request], Any]]:
    """Handlers of requests, by path."""

    async def sightings(request: Request) -> Response:
        wanted = wanted_of(request.query_params)

        def write(out: BinaryIO) -> None:
            SightingsCsv().write_batches(here.store.sighting_batches(**wanted), out)

        return await _file("sightings.csv", write)

    async def effort(request: Request) -> Response:
        def write(out: BinaryIO) -> None:
            out.write(EffortCsv().write(effort_rows(here.store)).encode())

        return await _file("effort.csv", write)

    return {"/api/sightings.csv": sightings, "/api/effort.csv": effort}


async def _file(name: str, write: Callable[[BinaryIO], None]) -> Response:
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
        media_type="text/csv",
        filename=name,
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(folder.cleanup),
    )
