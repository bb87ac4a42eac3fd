"""Tables as an Arrow stream, a file or JSON, by what a client accepts."""

from __future__ import annotations

import contextlib
import io
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

import pyarrow as pa
from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lab.app.server.threads import run_in_threadpool
from lab.errors import SettingError

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
CSV = "text/csv"
BATCH_ROWS = 16_384
Batches = Generator[pa.RecordBatch, None, None]


def accepted(request: Request, *known: str) -> str:
    """The form of the answer: of those that are known, the first where all are welcome.

    Raises HTTPException, 406, where none is accepted.
    """
    wanted = [
        (name.strip().lower(), _quality(rest))
        for part in (request.headers.get("accept", "").strip() or "*/*").split(",")
        for name, _, rest in [part.partition(";")]
    ]

    def liking(kind: str) -> float:
        fitting = (kind, f"{kind.split('/')[0]}/*", "*/*")
        for pattern in fitting:
            for name, quality in wanted:
                if name == pattern:
                    return quality
        return 0.0

    best = max(known, key=liking)
    if liking(best) <= 0:
        raise HTTPException(406, f"this is given as {', '.join(known)}; accept one of these")
    return best


def check_whole(request: Request) -> None:
    """Raises SettingError where a page is asked for in a form that has all rows."""
    for name in ("limit", "cursor"):
        if name in request.query_params:
            raise SettingError(
                f"{name} is for pages of JSON; this form gives all rows: leave it out, or accept "
                f"{JSON}"
            )


def _quality(text: str) -> float:
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


async def arrow_answer(batches: Callable[[], Batches], schema: Any) -> Response:
    """A stream of batches, of which one is in memory at a time.

    batches: raises what is wrong before it gives the first one. schema: where there is none.
    """
    begun = batches()
    first = await run_in_threadpool(next, begun, None)
    return StreamingResponse(_arrow(first, begun, schema), media_type=ARROW)


async def _arrow(
    first: pa.RecordBatch | None, rest: Batches, schema: pa.Schema
) -> AsyncIterator[bytes]:
    out = io.BytesIO()
    batch = first
    with contextlib.closing(rest):  # also where nobody waits for the end
        with pa.ipc.new_stream(out, schema if first is None else first.schema) as writer:
            while batch is not None:
                await run_in_threadpool(writer.write_batch, batch)
                yield _taken(out)
                batch = await run_in_threadpool(next, rest, None)
        yield _taken(out)


def _taken(out: io.BytesIO) -> bytes:
    content = out.getvalue()
    out.seek(0)
    out.truncate()
    return content
