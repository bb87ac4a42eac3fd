"""The body of a request, written into an upload as it comes."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from lab.app.server.access import asker_of
from lab.app.server.uploads.service import Uploads, too_large
from lab.app.server.uploads.upload import NotAVideoError, Upload
from lab.errors import StreamError


async def receive(
    request: Request,
    uploads: Uploads,
    upload: Upload,
    *,
    is_last: bool | None,
    max_ahead: int | None = None,
) -> None:
    """Write the body at the end of an upload.

    is_last: whether the upload ends with it; None: if all that was declared is there. Whoever goes
    before the end of a body that is the last one leaves the upload interrupted; others come again.
    max_ahead: how far it may be ahead of the analysis.

    Raises RefusedError: 409, 413, 429, 503; HTTPException: 400, 408, 422, 507.
    """
    asker, silence_s = asker_of(request), uploads.limits.silence_s
    loop = asyncio.get_running_loop()
    with uploads.slots.taken(asker):
        writing = upload.writing(silence_s, uploads.max_bytes, max_ahead)
        await loop.run_in_executor(uploads.threads, writing.__enter__)
        try:
            async for chunk in _bounded(request, uploads, upload):
                await loop.run_in_executor(uploads.threads, upload.append, chunk)
            if is_last or (is_last is None and upload.offset == upload.record.size_bytes):
                await loop.run_in_executor(uploads.threads, upload.finish)
        except NotAVideoError as error:
            upload.fail(str(error))
            raise HTTPException(422, str(error)) from None
        except StreamError as error:
            upload.break_off(str(error))
            raise HTTPException(400, f"the upload was interrupted: {error}") from None
        except ClientDisconnect as error:
            if is_last:
                upload.break_off(str(error) or "the client went away")
            raise
        except OSError as error:
            upload.break_off(f"it cannot be written: {error.strerror or error}")
            status = 507 if error.errno in (errno.ENOSPC, errno.EDQUOT) else 403
            raise HTTPException(
                status, f"the upload cannot be written: {error.strerror or error}"
            ) from None
        finally:
            await asyncio.shield(
                loop.run_in_executor(uploads.threads, writing.__exit__, None, None, None)
            )


async def _bounded(request: Request, uploads: Uploads, upload: Upload) -> AsyncIterator[bytes]:
    """Raises RefusedError, 413, beyond the limit, with the upload given up; and beyond what was
    declared HTTPException, 400.
    """
    total = upload.offset
    async for chunk in request.stream():
        total += len(chunk)
        if total > uploads.max_bytes:
            refusal = too_large(total, uploads.max_bytes)
            upload.fail(str(refusal))
            raise refusal
        size = upload.record.size_bytes
        if size is not None and total > size:
            raise HTTPException(400, f"more than the {size} bytes were sent that were declared")
        if chunk:
            yield chunk
