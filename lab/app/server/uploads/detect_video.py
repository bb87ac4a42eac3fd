"""`POST /api/detect/video`: what is seen in a video, told while the video is still being sent."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lab.access.asker import RefusedError
from lab.access.slots import Slots
from lab.app.server.access import asker_of
from lab.app.server.body import check_name, check_parameters
from lab.app.server.threads import run_in_threadpool
from lab.app.server.upload import safe_name
from lab.app.server.uploads.events import events_of
from lab.app.server.uploads.receive import receive
from lab.app.server.uploads.service import Uploads, declared_bytes
from lab.app.server.uploads.told import patient_send
from lab.app.server.uploads.upload import Upload
from lab.app.server.uploads.wanted import ASKING, wanted_of

_MAX_AHEAD = 64 << 20
_TYPE = "application/x-ndjson"


async def detect_video(
    request: Request, uploads: Uploads, followers: Slots, services: Sequence[Any]
) -> Response:
    """An answer that is written while the body is read. Raises what is wrong before that.

    followers: of answers that go on.
    """
    given = request.query_params
    check_parameters(request, ("name", *ASKING))
    wanted = wanted_of({"analyse": "true", **given}, services)
    name = given.get("name", "video.mp4")
    check_name(name, "name")
    size = declared_bytes(request.headers, "content-length")
    asker = asker_of(request)
    with ExitStack() as stack:
        sending, answering = stack.enter_context(ExitStack()), stack.enter_context(ExitStack())
        sending.enter_context(uploads.slots.taken(asker))
        answering.enter_context(followers.taken(asker))
        upload = await run_in_threadpool(
            lambda: uploads.begin(
                uuid.uuid4().hex, safe_name(name), asker, size_bytes=size, wanted=wanted
            )
        )
        return _AnswerWhileReading(request, uploads, upload, sending.pop_all(), answering.pop_all())


class _AnswerWhileReading(Response):
    """One JSON object a line. Starlette's own streams take what comes of the body for themselves,
    in order to hear that the client goes.

    sending, answering: what is held until the body has come, and until all is told.
    """

    def __init__(
        self,
        request: Request,
        uploads: Uploads,
        upload: Upload,
        sending: ExitStack,
        answering: ExitStack,
    ) -> None:
        super().__init__(media_type=_TYPE, headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self.headers["X-Accel-Buffering"] = "no"
        self.headers["Upload-Id"] = upload.record.upload_id
        self._request, self._uploads, self._upload = request, uploads, upload
        self._sending, self._answering = sending, answering

    async def __call__(self, scope: Scope, receive_from: Receive, send: Send) -> None:
        with self._answering:
            await self._answer(send)

    async def _answer(self, to_client: Send) -> None:
        reading = asyncio.ensure_future(self._read())
        # Some take nothing until they have sent all.
        silence_s = self._uploads.limits.silence_s
        send = patient_send(to_client, silence_s, is_alive=lambda: not reading.done())
        headers = {"status": self.status_code, "headers": self.raw_headers}
        try:
            await send({"type": "http.response.start", **headers})
            record = self._upload.record
            known = {"upload_id": record.upload_id, "name": record.name, "size": record.size_bytes}
            await self._tell(send, {"type": "accepted", **known})
            why = await self._follow(send, reading)
            if why is not None:
                await self._tell(send, {"type": "error", "error": why})
            await send({"type": "http.response.body", "body": b""})
        except OSError:  # nobody reads the answer; what is sent may still be of use
            await asyncio.wait({reading})
        finally:
            if not reading.done():
                reading.cancel()
            await asyncio.wait({reading})

    async def _follow(self, send: Send, reading: asyncio.Future[str | None]) -> str | None:
        """Why the body was not taken to its end; None if it was."""
        telling = events_of(self._upload)
        while not reading.done() and self._upload.state == "interrupted":
            await asyncio.sleep(0.01)  # it is about to be opened
        async for event, _ in telling:
            await self._tell(send, event)
        return await reading

    async def _read(self) -> str | None:
        try:
            with self._sending:
                await receive(
                    self._request, self._uploads, self._upload, is_last=True, max_ahead=_MAX_AHEAD
                )
        except HTTPException as error:
            return str(error.detail)
        except (RefusedError, ClientDisconnect) as error:
            return str(error) or "the request was interrupted"
        return None

    async def _tell(self, send: Send, event: dict[str, Any]) -> None:
        body = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        await send({"type": "http.response.body", "body": body, "more_body": True})
