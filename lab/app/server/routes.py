"""The routes: clips, pictures, score logs, replay, explain, snippets, upload, downloads."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
)

from lab.access.asker import RefusedError
from lab.app.server.access import OurHandler, OurMount, OurRoute
from lab.app.server.annotated_videos import annotated_handlers
from lab.app.server.api.app import api_mount
from lab.app.server.api.docs import docs_page
from lab.app.server.body import (
    check_id,
    json_object,
    mapping,
    name,
    number,
    whole_number,
)
from lab.app.server.bounds import SilentClientError
from lab.app.server.downloads import downloads
from lab.app.server.feeds import feed_handlers
from lab.app.server.log_routes import as_time_us, log_handlers
from lab.app.server.openapi import document
from lab.app.server.problem import problem, problem_of
from lab.app.server.recording_routes import recording_handlers
from lab.app.server.reviews import review_handlers
from lab.app.server.snippets import snippets_of
from lab.app.server.sound import Sounds
from lab.app.server.state import AppState, app_state
from lab.app.server.threads import run_in_threadpool
from lab.app.server.thumbnails import Pictures
from lab.app.server.uploads.routes import upload_routes
from lab.app.server.work.routes import work_routes
from lab.errors import ForbiddenError, LabError, NotFoundError
from lab.rules.explain import explain_at
from lab.rules.rule import Rule
from lab.runs.run import Run

_IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
_FRESH = {"Cache-Control": "no-store"}
_MAX_DECISIONS = 400  # unless the request sets `most`
Handler = Callable[[Request], Awaitable[Response]]


def routes(at: AppState | None = None) -> list[OurRoute | OurMount]:
    """Routes over the state of the app (default: that of this process), the API last."""
    here = at or app_state()
    pictures, sounds = Pictures(here), Sounds(here)

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def clip(request: Request) -> Response:
        media_id = request.path_params["media_id"]
        if here.known_media(media_id) is None:
            await run_in_threadpool(here.media, media_id)
        # Looks at the file, so it does not wait in the line of the catalog.
        media, problem = await anyio.to_thread.run_sync(here.checked_media, media_id)
        path = here.clip_file(media)
        if not media["is_browser_playable"]:  # a copy is of the clip, whatever lies at its path
            path, problem = here.store.playable_file(media["media_id"]), None
            if not path.is_file():
                problem = here.copy_error(media_id) or "its copy for the browser is not made yet"
        if problem is not None:
            raise HTTPException(404, problem)
        if not os.access(path, os.R_OK):
            raise HTTPException(403, f"{path.name} may not be read; change its permissions")
        kinds = {".webm": "video/webm", ".mkv": "video/x-matroska"}
        kind = kinds.get(path.suffix.lower(), "video/mp4")
        return FileResponse(path, media_type=kind, headers={"Cache-Control": "private"})

    async def picture(request: Request) -> Response:
        media_id, pts_us = request.path_params["media_id"], request.path_params["pts_us"]
        here.clip_file(await run_in_threadpool(here.media, media_id))
        file = await pictures.get(media_id, whole_number(pts_us, "pts_us"))
        if isinstance(file, str):
            raise HTTPException(404, file)
        return FileResponse(file, headers=_IMMUTABLE)

    async def sound(request: Request) -> Response:
        # It may wait for a worker, so it does not wait in the line of the catalog.
        media_id = request.path_params["media_id"]
        await run_in_threadpool(here.media, media_id)
        content, is_final = await anyio.to_thread.run_sync(sounds.get, media_id)
        return Response(
            content,
            media_type="application/octet-stream",
            headers=_IMMUTABLE if is_final else _FRESH,
        )

    async def log(request: Request) -> Response:
        run = await run_in_threadpool(here.run, request.path_params["run_id"])
        content = await run_in_threadpool(
            lambda: gzip.compress(json.dumps(log_of(run)).encode(), 3)
        )
        is_final = run.state == "done" and not run.log.adding
        caching = _IMMUTABLE if is_final and "v" in request.query_params else _FRESH
        return Response(
            content, media_type="application/json", headers={"Content-Encoding": "gzip", **caching}
        )

    async def replay(request: Request) -> Response:
        body = await json_object(request)
        run_id, rule = name(body, "run_id"), Rule.from_dict(mapping(body, "rule"))
        tiou = number(body, "tiou", 0.5)
        who = name(body, "annotator") if body.get("annotator") else None
        return JSONResponse(
            await run_in_threadpool(lambda: here.replay(run_id, rule, tiou=tiou, annotator=who))
        )

    async def annotations(request: Request) -> Response:
        media_id = request.path_params["media_id"]
        await run_in_threadpool(here.media, media_id)
        return JSONResponse(await run_in_threadpool(here.truth.of_media, media_id), headers=_FRESH)

    async def annotate(request: Request) -> Response:
        media_id = request.path_params["media_id"]
        await run_in_threadpool(here.media, media_id)
        body = await json_object(request)
        return JSONResponse(await run_in_threadpool(here.truth.change, media_id, body))

    async def decisions(request: Request) -> Response:
        body = await json_object(request)
        run = await run_in_threadpool(here.run, name(body, "run_id"))
        rule = Rule.from_dict(mapping(body, "rule"))
        found = await run_in_threadpool(run.find_decisions, name(body, "label"), rule)
        is_all = body.get("most", 0) is None
        max_rows = len(found) if is_all else max(0, int(number(body, "most", _MAX_DECISIONS)))
        rows = [d.to_dict() for d in found[:max_rows]]
        return JSONResponse({"run_id": run.run_id, "total": len(found), "decisions": rows})

    async def explain(request: Request) -> Response:
        body = await json_object(request)
        run_id, label = name(body, "run_id"), name(body, "label")
        rule, moment = Rule.from_dict(mapping(body, "rule")), number(body, "pts_s")
        run = await run_in_threadpool(here.run, run_id)
        series = await run_in_threadpool(run.series, label, rule)
        pts_us = as_time_us(moment * 1e6 + 1)  # the page's seconds are rounded
        row = await run_in_threadpool(explain_at, series, rule.of(series.label), pts_us)
        found = row or {"state": "closed", "reason": "before the first sample"}
        return JSONResponse({"run_id": run.run_id, **found})

    async def snippets(request: Request) -> Response:
        body = await json_object(request)
        run = await run_in_threadpool(here.run, name(body, "run_id"))
        rule = Rule.from_dict(mapping(body, "rule"))
        return JSONResponse(await run_in_threadpool(snippets_of, run, rule))

    async def offset(request: Request) -> Response:
        body = await json_object(request)
        media_id, offset_us = request.path_params["media_id"], int(number(body, "offset_us"))
        await run_in_threadpool(here.media, media_id)
        await run_in_threadpool(
            lambda: here.store.edit_media(media_id, browser_offset_us=offset_us)
        )
        here.forget(media_id)
        return JSONResponse({"status": "ok"})

    async def playhead(request: Request) -> Response:
        body = await json_object(request)
        run_id = request.path_params["run_id"]
        here.run_folder(run_id)
        here.playheads[run_id] = float(number(body, "pts_s"))
        return JSONResponse({"status": "ok"})

    async def openapi(request: Request) -> Response:
        return JSONResponse(document())

    async def docs(request: Request) -> Response:
        return HTMLResponse(await anyio.to_thread.run_sync(docs_page, document()))

    handlers: list[OurHandler] = [
        ("/api/docs", "read", docs, ["GET"]),
        ("/api/openapi.json", "read", openapi, ["GET"]),
        ("/api/health", "read", health, ["GET"]),
        ("/api/media/{media_id}/file", "read", clip, ["GET"]),
        ("/api/media/{media_id}/offset", "analyse", offset, ["POST"]),
        ("/api/media/{media_id}/annotations", "read", annotations, ["GET"]),
        ("/api/media/{media_id}/annotations", "analyse", annotate, ["POST"]),
        ("/api/media/{media_id}/sound", "read", sound, ["GET"]),
        ("/api/decisions", "read", decisions, ["POST"]),
        ("/api/pictures/{media_id}/{pts_us}.jpg", "read", picture, ["GET"]),
        ("/api/runs/{run_id}/log", "read", log, ["GET"]),
        ("/api/runs/{run_id}/playhead", "analyse", playhead, ["POST"]),
        *log_handlers(here),
        *review_handlers(here),
        *recording_handlers(here),
        *feed_handlers(here),
        *annotated_handlers(here),
        ("/api/replay", "read", replay, ["POST"]),
        ("/api/explain", "read", explain, ["POST"]),
        ("/api/snippets", "read", snippets, ["POST"]),
        *((path, "read", made, ["GET"]) for path, made in downloads(here).items()),
    ]
    made = [
        OurRoute(path, _with_error_responses(handler), wants=wants, methods=methods)
        for path, wants, handler, methods in handlers
    ]
    made += [*upload_routes(here), *work_routes(here)]
    return [*made, api_mount(here, made)]


def _with_error_responses(handler: Handler) -> Handler:
    """Turn errors that a user can fix into one line of text with status 400, 403 or 404."""

    async def answer(request: Request) -> Response:
        try:
            for what, given in request.path_params.items():
                check_id(given, what)
            return await handler(request)
        except RefusedError as error:
            return problem_of(error)
        except SilentClientError as error:
            return problem(408, f"the request was given up: {error}")
        except ClientDisconnect:
            return PlainTextResponse("the request was interrupted", 400)
        except NotFoundError as error:
            return PlainTextResponse(str(error), 404)
        except ForbiddenError as error:
            return PlainTextResponse(str(error), 403)
        except LabError as error:
            return PlainTextResponse(str(error), 400)
        except (KeyError, TypeError, ValueError) as error:
            return PlainTextResponse(f"the request is not valid: {error}", 400)
        except OSError as error:
            return PlainTextResponse(f"the file cannot be used: {error.strerror or error}", 403)

    return answer


def log_of(run: Run) -> dict[str, Any]:
    """A score log for the player, as columns; boxes in whole pixels, flat."""
    log = run.log
    return {
        "run_id": run.run_id,
        "state": run.state,
        "labels": log.labels,
        "pts_us": log.pts_us.tolist(),
        "failed": {str(i): why for i, why in log.reasons.items() if not log.gated[i]},
        "gated": {str(i): why for i, why in log.reasons.items() if log.gated[i]},
        "missing": {x: np.flatnonzero(~log.ok_of(x) & log.ok).tolist() for x in log.missing},
        "adding": list(log.adding),
        "prompted": "prompt_mode" in run.recipe,
        "whole_frame": bool(run.recipe.get("whole_frame")),
        "text": None if log.text is None else log.text.tolist(),
        "sample": log.sample.tolist(),
        "label": log.label.tolist(),
        "confidence": [round(float(c), 4) for c in log.confidence],
        "box": np.rint(log.box_xyxy_px).astype(int).ravel().tolist(),
        "damaged": list(log.damaged),
    }
