"""The routes: clips, pictures, score logs, replay, explain, upload, downloads."""

from __future__ import annotations

import gzip
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lab.app.server.downloads import downloads
from lab.app.server.state import AppState, app_state
from lab.app.server.thumbnails import Pictures
from lab.app.server.upload import receive_upload
from lab.errors import LabError
from lab.rules.rule import Rule
from lab.runs.run import Run

_IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
_FRESH = {"Cache-Control": "no-store"}
_MAX_DECISIONS = 400  # unless the request sets `most`
Handler = Callable[[Request], Awaitable[Response]]


def routes(at: AppState | None = None) -> list[Route]:
    """Routes over the state of the app (default: that of this process)."""
    here = at or app_state()
    pictures = Pictures(here)

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def clip(request: Request) -> Response:
        media = await run_in_threadpool(here.media, request.path_params["media_id"])
        path = Path(media["path"])
        if not media["is_browser_playable"]:
            path = here.store.playable_file(media["media_id"])
        if not path.is_file():
            raise HTTPException(404, f"{path.name} is missing; was it moved?")
        kinds = {".webm": "video/webm", ".mkv": "video/x-matroska"}
        kind = kinds.get(path.suffix.lower(), "video/mp4")
        return FileResponse(path, media_type=kind, headers={"Cache-Control": "private"})

    async def picture(request: Request) -> Response:
        media_id, pts_us = request.path_params["media_id"], request.path_params["pts_us"]
        if not media_id.isalnum():
            raise HTTPException(404, "no such media")
        file = await pictures.get(media_id, int(pts_us))
        if isinstance(file, str):
            raise HTTPException(404, file)
        return FileResponse(file, headers=_IMMUTABLE)

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
        body = await request.json()
        rule, tiou = Rule.from_dict(body["rule"]), float(body.get("tiou", 0.5))
        who = body.get("annotator") or None
        return JSONResponse(
            await run_in_threadpool(
                lambda: here.replay(str(body["run_id"]), rule, tiou=tiou, annotator=who)
            )
        )

    async def annotations(request: Request) -> Response:
        media_id = request.path_params["media_id"]
        if request.method == "GET":
            return JSONResponse(
                await run_in_threadpool(here.truth.of_media, media_id), headers=_FRESH
            )
        body = await request.json()
        return JSONResponse(await run_in_threadpool(here.truth.change, media_id, body))

    async def decisions(request: Request) -> Response:
        body = await request.json()
        run = await run_in_threadpool(here.run, str(body["run_id"]))
        rule = Rule.from_dict(body["rule"])
        found = await run_in_threadpool(run.find_decisions, str(body["label"]), rule)
        max_rows = body.get("most", _MAX_DECISIONS)  # null means all
        rows = [d.to_dict() for d in found[:max_rows]]
        return JSONResponse({"run_id": run.run_id, "total": len(found), "decisions": rows})

    async def explain(request: Request) -> Response:
        body = await request.json()
        rule, moment = Rule.from_dict(body["rule"]), float(body["pts_s"])
        rows = await run_in_threadpool(here.explain, str(body["run_id"]), body["label"], rule)
        before = [row for row in rows if row["pts_s"] <= moment + 1e-6]
        found = before[-1] if before else {"state": "closed", "reason": "before the first sample"}
        return JSONResponse({"run_id": str(body["run_id"]), **found})

    async def offset(request: Request) -> Response:
        body = await request.json()
        media_id = request.path_params["media_id"]
        await run_in_threadpool(
            lambda: here.store.edit_media(media_id, browser_offset_us=int(body["offset_us"]))
        )
        here.forget(media_id)
        return JSONResponse({"status": "ok"})

    async def playhead(request: Request) -> Response:
        body = await request.json()
        here.playheads[request.path_params["run_id"]] = float(body["pts_s"])
        return JSONResponse({"status": "ok"})

    async def upload(request: Request) -> Response:
        return JSONResponse(await receive_upload(request, here))

    return [
        Route("/api/health", _with_error_responses(health)),
        Route("/api/media/{media_id}/file", _with_error_responses(clip)),
        Route("/api/media/{media_id}/offset", _with_error_responses(offset), methods=["POST"]),
        Route(
            "/api/media/{media_id}/annotations",
            _with_error_responses(annotations),
            methods=["GET", "POST"],
        ),
        Route("/api/decisions", _with_error_responses(decisions), methods=["POST"]),
        Route("/api/pictures/{media_id}/{pts_us}.jpg", _with_error_responses(picture)),
        Route("/api/runs/{run_id}/log", _with_error_responses(log)),
        Route("/api/runs/{run_id}/playhead", _with_error_responses(playhead), methods=["POST"]),
        Route("/api/replay", _with_error_responses(replay), methods=["POST"]),
        Route("/api/explain", _with_error_responses(explain), methods=["POST"]),
        Route("/api/uploads/{name}", _with_error_responses(upload), methods=["PUT"]),
        *(Route(path, _with_error_responses(made)) for path, made in downloads(here).items()),
    ]


def _with_error_responses(handler: Handler) -> Handler:
    """Turn errors that a user can fix into one line of text with status 400."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except LabError as error:
            return PlainTextResponse(str(error), 400)
        except (KeyError, TypeError, ValueError) as error:
            return PlainTextResponse(f"the request is not valid: {error}", 400)

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
