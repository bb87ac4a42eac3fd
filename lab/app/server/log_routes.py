"""The routes of a run's log: overview, curves, and windows of samples and boxes."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from lab.app.server.access import OurHandler
from lab.app.server.body import json_object
from lab.app.server.player_log import curves, overview, window
from lab.app.server.state import AppState
from lab.app.server.threads import run_in_threadpool
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.score_log.score_log import log_fingerprint

IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
REVALIDATED = {"Cache-Control": "private, no-cache"}
_WORTH_COMPRESSING = 4096  # bytes
_MOST_US = 2**60
Make = Callable[[Run, str], bytes]


def log_handlers(here: AppState) -> list[OurHandler]:
    """Path, scope, handler and methods of each route."""

    async def see_all(request: Request) -> Response:
        labels = request.query_params.getlist("label") or None
        return await _answer(
            here, request, lambda run, version: overview(run, version=version, labels=labels)
        )

    async def see_curves(request: Request) -> Response:
        body = await json_object(request)
        stretch = {
            name: None if body.get(name) is None else as_time_us(body[name])
            for name in ("from_us", "to_us")
        }
        labels, rule = list(map(str, body["labels"])), Rule.from_dict(body["rule"])
        return await _answer(
            here,
            request,
            lambda run, version: curves(run, labels, version=version, rule=rule, **stretch),
        )

    async def see_window(request: Request) -> Response:
        from_us, to_us = (as_time_us(request.query_params[name]) for name in ("from_us", "to_us"))
        return await _answer(
            here, request, lambda run, version: window(run, from_us, to_us, version=version)
        )

    return [
        ("/api/runs/{run_id}/overview", "read", see_all, ["GET"]),
        ("/api/runs/{run_id}/curves", "read", see_curves, ["POST"]),
        ("/api/runs/{run_id}/window", "read", see_window, ["GET"]),
    ]


def as_time_us(value: object) -> int:
    """A time in microseconds. Raises ValueError."""
    try:
        time_us = int(value)  # type: ignore[call-overload]
    except OverflowError:  # infinity
        time_us = _MOST_US + 1
    if abs(time_us) > _MOST_US:
        raise ValueError(f"{str(value)[:40]} is no time in microseconds")
    return int(time_us)


async def _answer(here: AppState, request: Request, make: Make) -> Response:
    """Kept by the browser for good if the run is done and its version was asked for."""
    run_id = request.path_params["run_id"]
    run, version = await run_in_threadpool(_versioned, here, run_id)
    is_known = request.query_params.get("v") == version.split("-")[0]
    is_final = run.state == "done" and not run.log.adding and is_known
    asked = hashlib.blake2b(str(request.url.query).encode(), digest_size=6).hexdigest()
    headers = {**(IMMUTABLE if is_final else REVALIDATED), "ETag": f'"{version}-{asked}"'}
    if request.method == "POST":
        headers = {"Cache-Control": "no-store"}
    elif headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = await run_in_threadpool(make, run, version)
    if len(content) > _WORTH_COMPRESSING and "gzip" in request.headers.get("accept-encoding", ""):
        content = await run_in_threadpool(gzip.compress, content, 1)
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type="application/octet-stream", headers=headers)


def _versioned(here: AppState, run_id: str) -> tuple[Run, str]:
    """A run, and a text that is another whenever its log or state is."""
    run = here.run(run_id)
    return run, f"{log_fingerprint(here.store.log_folder(run_id))}-{run.state}"
