"""The routes of a run's annotated video: a worker makes it, a page shows how far it is."""

from __future__ import annotations

import threading
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from lab.app.server.access import OurHandler
from lab.app.server.body import json_object, mapping
from lab.app.server.recording_routes import is_recording, recording_folder
from lab.app.server.state import AppState
from lab.app.server.threads import run_in_threadpool
from lab.errors import NotFoundError
from lab.jobs.job import Job
from lab.rules.rule import Rule
from lab.runs.run import Run

_FRESH = {"Cache-Control": "no-store"}
_KIND = "annotate"


def annotated_handlers(here: AppState) -> list[OurHandler]:
    """Path, scope, handler and methods of each route."""
    starting = threading.Lock()

    async def begin(request: Request) -> Response:
        rule = Rule.from_dict(mapping(await json_object(request), "rule"))
        run = await run_in_threadpool(here.run, request.path_params["run_id"])
        return JSONResponse(await run_in_threadpool(_begin, run, rule))

    def _begin(run: Run, rule: Rule) -> dict[str, Any]:
        _check_pictures(here, run)
        run.find(rule)  # raises for a rule that the run cannot answer
        with starting:
            job = _job_of(here, run.run_id, rule.rule_hash)
            if job is None or not job.is_active:
                here.engine.submit(
                    _KIND,
                    f"annotated video of {run.media['name']}",
                    store=str(here.store.folder),
                    run_id=run.run_id,
                    rule=rule.to_dict(),
                    rule_hash=rule.rule_hash,
                )
        return _facts(here, run.run_id, rule.rule_hash)

    async def look(request: Request) -> Response:
        run_id = _known(here, request)
        return JSONResponse(
            await anyio.to_thread.run_sync(_facts, here, run_id, _rule_hash(request)),
            headers=_FRESH,
        )

    async def cancel(request: Request) -> Response:
        run_id, rule_hash = _known(here, request), _rule_hash(request)
        job = _job_of(here, run_id, rule_hash)
        if job is not None and job.is_active:
            here.engine.cancel(job.job_id)
        return JSONResponse(await anyio.to_thread.run_sync(_facts, here, run_id, rule_hash))

    async def file(request: Request) -> Response:
        run = await run_in_threadpool(here.run, request.path_params["run_id"])
        _check_pictures(here, run)
        path = here.store.annotated_file(run.run_id, _rule_hash(request))
        if not path.is_file():
            raise NotFoundError("this video is not made yet, or was removed; make it again")
        name = f"{run.media['name'].rsplit('.', 1)[0]}_annotated.mp4"
        return FileResponse(path, media_type="video/mp4", filename=name, headers=_FRESH)

    return [
        ("/api/runs/{run_id}/annotated", "analyse", begin, ["POST"]),
        ("/api/runs/{run_id}/annotated/{rule_hash}", "read", look, ["GET"]),
        ("/api/runs/{run_id}/annotated/{rule_hash}", "analyse", cancel, ["DELETE"]),
        ("/api/runs/{run_id}/annotated/{rule_hash}/file", "read", file, ["GET"]),
    ]


def _known(here: AppState, request: Request) -> str:
    run_id: str = request.path_params["run_id"]
    here.run_folder(run_id)  # raises if there is none
    return run_id


def _rule_hash(request: Request) -> str:
    """Raises NotFoundError for one that is no name of a file."""
    given: str = request.path_params["rule_hash"]
    if not given.isalnum() or not given.isascii():
        raise NotFoundError("there is no video of such a rule")
    return given


def _check_pictures(here: AppState, run: Run) -> None:
    """Raises LabError where the app may not show the run's pictures, or they are gone."""
    if is_recording(here, run.media):
        recording_folder(here, run.media)
    else:
        here.clip_file(run.media)


def _job_of(here: AppState, run_id: str, rule_hash: str) -> Job | None:
    """The newest that makes it, or made it since the app began."""
    for job in here.engine.jobs():
        asked = job.payload
        if job.kind == _KIND and (asked["run_id"], asked["rule_hash"]) == (run_id, rule_hash):
            return job
    return None


def _facts(here: AppState, run_id: str, rule_hash: str) -> dict[str, Any]:
    """As JSON: `state` (of the job, `done` also where an earlier one made it, or `none`), `done`
    and `total` frames (null where that is not known), `left_s` (or null), `error`, and of a video
    that is there `bytes` and its time in Unix seconds, `made`.
    """
    job = _job_of(here, run_id, rule_hash)
    facts: dict[str, Any] = {"rule_hash": rule_hash, "state": "none", "error": None}
    if job is not None:
        facts |= {"state": job.state, "error": job.error, "done": job.done, "total": job.total}
        facts["left_s"] = job.left_s if job.is_active else None
    try:
        found = here.store.annotated_file(run_id, rule_hash).stat()
    except OSError:
        return facts | ({"state": "none"} if facts["state"] == "done" else {})
    facts |= {"bytes": found.st_size, "made": found.st_mtime}
    return facts | ({"state": "done"} if facts["state"] == "none" else {})
