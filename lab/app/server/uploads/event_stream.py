"""`GET /api/uploads/ID/events`: what is told of an upload, as server-sent events."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import ExitStack

from starlette.requests import Request
from starlette.responses import Response

from lab.access.slots import Slots
from lab.app.server.access import asker_of
from lab.app.server.uploads.events import events_of, is_there_more
from lab.app.server.uploads.told import Told
from lab.app.server.uploads.upload import Upload

# The id of an event: the place of the next line, and after the last one how the upload ended.
_ID = re.compile(r"([0-9]{1,15})(?:-([a-z]{1,15}))?", re.ASCII)


async def told_of(request: Request, upload: Upload, followers: Slots, send_s: float) -> Response:
    """From where a client has heard of it; 204, after which none comes again, if that was all.

    followers: of answers that go on. send_s: how long a client may take nothing.
    """
    match = _ID.fullmatch(request.headers.get("last-event-id", "0"))
    place, heard_end = (int(match[1]), match[2]) if match else (0, None)
    if heard_end is not None and not await asyncio.to_thread(
        is_there_more, upload, place, heard_end
    ):
        return Response(None, 204, {"Cache-Control": "no-store"})
    held = ExitStack()
    held.enter_context(followers.taken(asker_of(request)))

    async def lines() -> AsyncGenerator[str]:
        now = place
        async for event, after in events_of(upload, place):
            mark = ""
            if after is not None:
                now, mark = after, f"id: {after}\n"
            elif event["type"] == "end":
                mark = f"id: {now}-{event['state']}\n"
            yield f"{mark}event: {event['type']}\ndata: {json.dumps(event)}\n\n"

    return Told(lines(), send_s=send_s, held=held)
