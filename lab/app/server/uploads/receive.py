"""The body of a request, written into an upload as it comes."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from lab.access.asker import RefusedError
from lab.app.server.uploads.bounds import Bounds, too_large
from lab.app.server.uploads.service import Uploads, declared_bytes
from lab.app.server.uploads.upload import NotAVideoError, Upload
from lab.errors import JobError, StreamError

Result = TypeVar("Result")


async def receive(
    request: Request,
    uploads: Uploads,
    upload: Upload,
    *,
    is_last: bool | None,
    max_ahead: int | None = None,
    at: int | None = None,
    size_bytes: int | None = None,
) -> None:
    """Write the body at the end of an upload, for who has one of `uploads.slots`.

    is_last: whether the upload ends with it; None: if all that was declared is there. Whoever goes
    before the end of a body that is the last one leaves the upload interrupted; others come again.
    max_ahead: how far it may be ahead of the analysis. at, size_bytes: as of
    `Upload.begin_writing`.

    Raises RefusedError: 409, 413; SettingError; HTTPException: 400, 403, 408, 422, 503, 507.
    """
    in_thread = partial(_in_thread, uploads.threads)
    limits = uploads.limits
    bounds = Bounds(silence_s=limits.silence_s, max_bytes=uploads.max_bytes, max_ahead=max_ahead)
    length = declared_bytes(request.headers, "content-length")
    begun = False

    def begin() -> None:
        nonlocal begun
        upload.begin_writing(bounds, at=at, size_bytes=size_bytes, length=length)
        begun = True

    try:
        await in_thread(begin)
        async for chunk in _bounded(request, uploads, upload):
            await in_thread(
                partial(upload.append, chunk), partial(upload.wake, "the connection was ended")
            )
        if is_last or (is_last is None and upload.offset == upload.record.size_bytes):
            await in_thread(upload.finish)
    except BaseException as error:
        if begun:
            await in_thread(partial(_break_off, upload, error, is_last))
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from None
    finally:
        if begun:
            await in_thread(upload.end_writing)


def _break_off(upload: Upload, error: BaseException, is_last: bool | None) -> None:
    if isinstance(error, NotAVideoError | RefusedError):
        upload.fail(str(error))
    elif isinstance(error, ClientDisconnect):
        if is_last:
            upload.break_off(str(error) or "the client went away")
    elif isinstance(error, HTTPException):
        upload.break_off(str(error.detail))
    elif isinstance(error, OSError):
        upload.break_off(f"it cannot be written: {error.strerror or error}")
    elif isinstance(error, asyncio.CancelledError):
        upload.break_off("the connection was ended")
    else:
        upload.break_off(str(error))


def _refusal(error: BaseException) -> HTTPException | None:
    """What the client is told of it; None to tell the error as it is."""
    if isinstance(error, NotAVideoError):
        return HTTPException(422, str(error))
    if isinstance(error, StreamError):
        return HTTPException(400, f"the upload was interrupted: {error}")
    if isinstance(error, JobError):
        return HTTPException(503, str(error))
    if isinstance(error, OSError):
        status = 507 if error.errno in (errno.ENOSPC, errno.EDQUOT) else 403
        return HTTPException(status, f"the upload cannot be written: {error.strerror or error}")
    return None


async def _bounded(request: Request, uploads: Uploads, upload: Upload) -> AsyncIterator[bytes]:
    """Raises RefusedError, 413, beyond the limit, HTTPException, 400, beyond what was declared."""
    total = upload.offset
    async for chunk in request.stream():
        total += len(chunk)
        if total > uploads.max_bytes:
            raise too_large(total, uploads.max_bytes)
        size = upload.record.size_bytes
        if size is not None and total > size:
            raise HTTPException(400, f"more than the {size} bytes were sent that were declared")
        if chunk:
            yield chunk


async def _in_thread(
    threads: Executor, work: Callable[[], Result], wake: Callable[[], None] = lambda: None
) -> Result:
    """What it gives, or raises; always at its end, also for who is cancelled meanwhile.

    wake: has it end soon.
    """
    try:
        doing = asyncio.get_running_loop().run_in_executor(threads, work)
    except RuntimeError:  # the app ends
        return work()
    is_cancelled = False
    while not doing.done():
        try:
            await asyncio.wait({doing})
        except asyncio.CancelledError:
            is_cancelled = True
            wake()
    if is_cancelled:
        if not doing.cancelled():
            doing.exception()
        raise asyncio.CancelledError
    return doing.result()
