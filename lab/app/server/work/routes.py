"""Workers elsewhere take clips of the app's queue: claim, beat, opened, parts, outcome, back.

A message names its claim. One that has ended is answered with 409, whatever is sent; who gets that
drops what it has and claims another job. What must not be kept is answered with 422.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response

from lab.access.asker import RefusedError
from lab.app.server.access import OurRoute, asker_of
from lab.app.server.body import (
    bounded_body,
    check_id,
    json_object,
    name,
    number,
    object_of,
    whole_number,
)
from lab.app.server.bounds import SilentClientError
from lab.app.server.problem import problem, problem_of
from lab.app.server.state import AppState
from lab.app.server.work.bodies import done_of, ended_of, given_back_of, number_of, opened_of
from lab.errors import LabError, NotFoundError, SettingError
from lab.jobs.remote.claim import Claim, ClaimBusyError, ClaimEndedError, Said
from lab.jobs.remote.message import MAX_PART_BYTES, PART_TYPE, POLL_S, SentPart
from lab.jobs.remote.workers import FullError

_LOOK_EVERY_S = 0.1
_BEATS = 6  # in the time after which a worker is given up
_FRESH = {"Cache-Control": "no-store"}
Handler = Callable[[Request], Awaitable[Response]]


def work_routes(here: AppState) -> list[OurRoute]:
    """The routes over the state of the app."""

    async def claim(request: Request) -> Response:
        body = await json_object(request)
        wait_s = min(POLL_S, max(0.0, number(body, "wait_s", POLL_S)))
        worker = name(body, "worker")
        check_id(worker, "worker")
        feeder = await anyio.to_thread.run_sync(
            here.workers.come,
            _key(request), worker, _shown(name(body, "name")), name(body, "version"),
        )  # fmt: skip
        looked, end = feeder.looked, time.monotonic() + wait_s
        while (found := feeder.link.poll()) is None:
            if time.monotonic() >= end or await request.is_disconnected():
                feeder.link.stop_waiting()
                is_sure = feeder.looked > looked and feeder.queued is None
                again = {} if is_sure or here.analyses.queue is None else {"Retry-After": "0"}
                return Response(status_code=204, headers=_FRESH | again)
            await anyio.sleep(_LOOK_EVERY_S)
        beat_s = here.workers.silence_s / _BEATS
        return JSONResponse({**found.order, "beat_s": beat_s}, headers=_FRESH)

    async def clip(request: Request) -> Response:
        held = _claim(here, request)
        held.hear()
        if held.file is None or not await anyio.to_thread.run_sync(held.file.is_file):
            raise NotFoundError("the clip of this claim is gone")
        return FileResponse(held.file, media_type="application/octet-stream", headers=_FRESH)

    async def beat(request: Request) -> Response:
        held = _claim(here, request)
        body = await bounded_body(request)
        held.hear(done_of(object_of(body, "the body")) if body else None)
        return _ok()

    async def opened(request: Request) -> Response:
        held = _claim(here, request)
        with _refusing(held):
            await _take(held, 0, opened_of(await json_object(request)))
        return _ok()

    async def part(request: Request) -> Response:
        held = _claim(here, request)
        count = whole_number(request.path_params["number"], "number")
        if (kind := request.headers.get("content-type", "")) != PART_TYPE:
            raise SettingError(f"the content type must be {PART_TYPE}, got {kind[:80]!r}")
        content = await _content(request, held)
        with _refusing(held):
            sent = SentPart.from_bytes(content)
        await _take(held, count, sent)
        return _ok()

    async def outcome(request: Request) -> Response:
        held = _claim(here, request)
        with _refusing(held):
            body = await json_object(request)
            await _take(held, number_of(body), ended_of(body))
        return _ok()

    async def back(request: Request) -> Response:
        held = _claim(here, request)
        with _refusing(held):
            body = await json_object(request)
            await _take(held, number_of(body), given_back_of(body))
        return _ok()

    of_claim = "/api/work/{claim_id}"
    handlers: list[tuple[str, Handler, str]] = [
        ("/api/work/claim", claim, "POST"),
        (f"{of_claim}/clip", clip, "GET"),
        (f"{of_claim}/beat", beat, "POST"),
        (f"{of_claim}/opened", opened, "POST"),
        (f"{of_claim}/parts/{{number}}", part, "PUT"),
        (f"{of_claim}/outcome", outcome, "POST"),
        (f"{of_claim}/back", back, "POST"),
    ]
    return [
        OurRoute(path, partial(_answered, handler), wants="analyse", methods=[method])
        for path, handler, method in handlers
    ]


async def _answered(handler: Handler, request: Request) -> Response:
    """Errors as problem+json."""
    try:
        for what, given in request.path_params.items():
            check_id(given, what)
        return await handler(request)
    except RefusedError as error:
        return problem_of(error)
    except SilentClientError as error:
        return problem(408, f"the request was given up: {error}")
    except ClientDisconnect:
        return problem(400, "the request was interrupted")
    except ClaimEndedError as error:
        return problem(409, str(error))
    except (ClaimBusyError, FullError) as error:
        return problem(503, str(error), {"Retry-After": "1"})
    except NotFoundError as error:
        return problem(404, str(error))
    except LabError as error:
        return problem(422, str(error))


def _key(request: Request) -> str:
    asker = asker_of(request)
    return asker.token_id or f"app {asker.name}"


def _claim(here: AppState, request: Request) -> Claim:
    return here.workers.claim(_key(request), request.path_params["claim_id"])


async def _take(held: Claim, count: int, message: Said) -> None:
    """In a thread: a part is read and checked, and what comes after it waits for that."""
    await anyio.to_thread.run_sync(held.take, count, message)


async def _content(request: Request, held: Claim) -> bytes:
    """A part's body; a slow one is a sign of life. Raises RefusedError, 413."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        held.hear_news()
        if len(content) > MAX_PART_BYTES:
            raise RefusedError(413, f"a part has at most {MAX_PART_BYTES} bytes; send several")
    return bytes(content)


@contextmanager
def _refusing(held: Claim) -> Iterator[None]:
    """A worker that sends what is no message is given up."""
    try:
        yield
    except SettingError as error:
        held.refuse(error)
        raise


def _shown(given: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in given)[:100] or "worker"


def _ok() -> Response:
    return JSONResponse({"status": "ok"}, headers=_FRESH)
