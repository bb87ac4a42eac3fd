"""The routes of uploads: one request with all of it, how far it is, and tus 1.0.

tus (https://tus.io/protocols/resumable-upload): core, creation, creation-with-upload, termination
and expiration.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from email.utils import formatdate

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from lab.access.asker import RefusedError
from lab.access.slots import Slots
from lab.app.server.access import OurRoute, asker_of
from lab.app.server.body import check_id, check_name, check_parameters
from lab.app.server.bounds import SilentClientError
from lab.app.server.problem import problem, problem_of
from lab.app.server.state import AppState
from lab.app.server.threads import run_in_threadpool
from lab.app.server.upload import receive_upload, safe_name
from lab.app.server.uploads.bounds import check_length
from lab.app.server.uploads.detect_video import detect_video
from lab.app.server.uploads.event_stream import told_of
from lab.app.server.uploads.receive import receive
from lab.app.server.uploads.service import Uploads, declared_bytes
from lab.app.server.uploads.upload import Upload
from lab.app.server.uploads.wanted import ASKING, asks_anything, of_metadata, wanted_of
from lab.errors import LabError, NotFoundError, SettingError

_TUS = {"Tus-Resumable": "1.0.0"}
_EXTENSIONS = "creation,creation-with-upload,termination,expiration"
_BODY = "application/offset+octet-stream"
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_PLACE = "/api/uploads"
Handler = Callable[[Request], Awaitable[Response]]


def upload_routes(here: AppState) -> list[OurRoute]:
    """Routes over the uploads of the app's store."""
    uploads: Uploads = here.uploads
    limits = here.config.limits
    followers = Slots("event streams", limits.max_clients, limits.max_clients_per_token)

    def found(request: Request) -> Upload:
        return uploads.get(request.path_params["upload_id"], asker_of(request))

    async def put(request: Request) -> Response:
        upload_id, params = request.path_params["upload_id"], request.query_params
        check_parameters(request, ("name", *ASKING))
        start, size = _range(request)
        if "name" not in params:  # its name alone: received, and nothing else is done with it
            if start is not None or asks_anything(params):
                raise SettingError("say ?name=, of the file, to go on with an upload or analyse it")
            with uploads.slots.taken(asker_of(request)):
                return JSONResponse(await receive_upload(request, here, upload_id))
        check_name(params["name"], "name")
        wanted = wanted_of(params, here.config.services)
        with uploads.slots.taken(asker_of(request)):
            upload = None
            if start is not None:
                with suppress(NotFoundError) if start == 0 else nullcontext():
                    upload = await run_in_threadpool(found, request)
            if upload is None:
                upload = await run_in_threadpool(
                    lambda: uploads.begin(
                        upload_id,
                        safe_name(params["name"]),
                        asker_of(request),
                        size_bytes=size,
                        wanted=wanted,
                    )
                )
            more = {} if start is None else {"at": start, "size_bytes": size}
            await receive(request, uploads, upload, is_last=True, **more)
        return JSONResponse(await run_in_threadpool(upload.to_dict))

    async def get(request: Request) -> Response:
        _check_version(request, is_needed=False)
        upload = await run_in_threadpool(found, request)
        if request.method == "HEAD":
            is_gone = upload.state == "failed"  # who would go on begins anew
            return Response(None, 410 if is_gone else 200, _TUS if is_gone else _facts(upload))
        return JSONResponse(
            await run_in_threadpool(upload.to_dict), headers={"Cache-Control": "no-store"}
        )

    async def create(request: Request) -> Response:
        _check_version(request)
        check_parameters(request, ASKING)
        size = declared_bytes(request.headers, "upload-length")
        if size is None:
            raise SettingError("Upload-Length is missing: say how many bytes there will be")
        if size == 0:
            raise SettingError("Upload-Length is 0; a file without a byte is no video")
        text = request.headers.get("upload-metadata", "")
        given = of_metadata(text)
        name = safe_name(given.get("filename") or given.get("name") or "upload.mp4")
        wanted = wanted_of({**given, **request.query_params}, here.config.services)
        upload_id = given.get("id") or uuid.uuid4().hex
        check_id(upload_id, "id")
        asker, has_body = asker_of(request), request.headers.get("content-type") == _BODY
        if has_body:
            check_length(declared_bytes(request.headers, "content-length"), 0, size)
        with uploads.slots.taken(asker) if has_body else nullcontext():
            upload = await run_in_threadpool(
                lambda: uploads.begin(
                    upload_id, name, asker, size_bytes=size, wanted=wanted, metadata=text
                )
            )
            if has_body:
                await receive(request, uploads, upload, is_last=None)
        headers = _facts(upload) | {"Location": f"{_PLACE}/{upload_id}"}
        return Response(None, 201, headers)

    async def patch(request: Request) -> Response:
        _check_version(request)
        if request.headers.get("content-type") != _BODY:
            raise HTTPException(415, f"the content type of a part is {_BODY}")
        upload = await run_in_threadpool(found, request)
        offset = declared_bytes(request.headers, "upload-offset")
        if offset is None:
            raise SettingError("Upload-Offset is missing: say at which byte this part begins")
        with uploads.slots.taken(asker_of(request)):
            await receive(request, uploads, upload, is_last=None, at=offset)
        return Response(None, 204, _facts(upload))

    async def delete(request: Request) -> Response:
        _check_version(request, is_needed=False)
        upload = await run_in_threadpool(found, request)
        await run_in_threadpool(uploads.delete, upload)
        return Response(None, 204, _TUS)

    async def options(request: Request) -> Response:
        more = {
            "Tus-Version": "1.0.0",
            "Tus-Extension": _EXTENSIONS,
            "Tus-Max-Size": str(uploads.max_bytes),
        }
        return Response(None, 204, _TUS | more)

    async def events(request: Request) -> Response:
        upload = await run_in_threadpool(found, request)
        return await told_of(request, upload, followers, limits.silence_s)

    async def detect(request: Request) -> Response:
        return await detect_video(request, uploads, followers, here.config.services)

    one = f"{_PLACE}/{{upload_id}}"
    table: list[tuple[str, Handler, list[str], bool]] = [
        (_PLACE, options, ["OPTIONS"], False),
        (_PLACE, create, ["POST"], True),
        (one, put, ["PUT"], True),
        (one, patch, ["PATCH"], True),
        (one, get, ["GET", "HEAD"], False),
        (one, delete, ["DELETE"], False),
        (one, options, ["OPTIONS"], False),
        (f"{one}/events", events, ["GET"], False),
        ("/api/detect/video", detect, ["POST"], True),
    ]
    return [
        OurRoute(path, _with_problems(made), wants="analyse", methods=methods, is_upload=large)
        for path, made, methods, large in table
    ]


def _facts(upload: Upload) -> dict[str, str]:
    record = upload.record
    known = {"Upload-Offset": str(upload.offset), "Cache-Control": "no-store"}
    if record.size_bytes is not None:
        known["Upload-Length"] = str(record.size_bytes)
    if record.metadata:
        known["Upload-Metadata"] = record.metadata
    if not record.is_whole:
        known["Upload-Expires"] = formatdate(record.expires, usegmt=True)
    return _TUS | known


def _check_version(request: Request, *, is_needed: bool = True) -> None:
    given = request.headers.get("tus-resumable")
    if given != "1.0.0" and (is_needed or given is not None):
        raise HTTPException(412, "Tus-Resumable must be 1.0.0", {"Tus-Version": "1.0.0"})


def _range(request: Request) -> tuple[int | None, int | None]:
    """Where the body begins, and how many bytes there will be; None for what is not said."""
    text = request.headers.get("content-range")
    length = declared_bytes(request.headers, "content-length")
    if text is None:
        return None, length
    match = _RANGE.fullmatch(text)
    if match is None:
        raise SettingError(f"Content-Range must be like bytes 100-199/200, got {text[:60]!r}")
    first, last, size = map(int, match.groups())
    if not first <= last < size or last != size - 1:
        raise SettingError(
            "Content-Range must go to the last byte; send parts by tus (PATCH) instead"
        )
    if length not in (None, size - first):
        raise SettingError(f"Content-Range has {size - first} bytes, Content-Length says {length}")
    return first, size


def _with_problems(handler: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        response = await answer_or_problem(request)
        if response.status_code >= 400 and "tus-resumable" in request.headers:
            response.headers.update(_TUS)
        return response

    async def answer_or_problem(request: Request) -> Response:
        try:
            for what, given in request.path_params.items():
                if request.method == "PUT" and "name" not in request.query_params:
                    check_name(given, "name")
                else:
                    check_id(given, what)
            return await handler(request)
        except RefusedError as error:
            return problem_of(error)
        except HTTPException as error:
            return problem(error.status_code, str(error.detail), error.headers)
        except SilentClientError as error:
            return problem(408, f"the request was given up: {error}")
        except ClientDisconnect:
            return problem(400, "the request was interrupted")
        except NotFoundError as error:
            return problem(404, str(error))
        except (LabError, KeyError, TypeError, ValueError) as error:
            return problem(400, str(error))
        except OSError as error:
            return problem(403, f"the file cannot be used: {error.strerror or error}")

    return answer
