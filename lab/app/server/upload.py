"""Uploads: streamed to disk as they arrive, never held in memory."""

from __future__ import annotations

import asyncio
import re
import shutil
import uuid
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from lab.access.asker import RefusedError
from lab.app.server.bounds import SilentClientError
from lab.app.server.state import AppState
from lab.errors import SettingError

_HEADROOM_BYTES = 256 << 20
_MAX_NAME_BYTES = 150


def safe_name(name: str) -> str:
    """A file name without folders, control characters or other unsafe characters."""
    base = re.sub(r"[^\w.\- ()]", "_", Path(name.replace("\\", "/")).name).strip(". ")
    while len(base.encode()) > _MAX_NAME_BYTES:  # a suffix is at the end
        base = base[1:].lstrip(". ")
    return base or "upload"


async def receive_upload(request: Request, app_state: AppState, name: str) -> dict[str, str | int]:
    """Write the request's body into the store's uploads. name: of the file.

    Raises RefusedError: 413 over the limit; HTTPException: 403 if the store cannot be written, 507
    if the disk is full, 400 if it was interrupted.
    """
    limit = app_state.config.max_upload_bytes
    declared = _declared(request)
    folder = app_state.store.uploads_folder / uuid.uuid4().hex[:8]
    if declared > limit:
        raise RefusedError(
            413,
            f"the upload has {declared} bytes, more than the limit of {limit}; raise "
            "max_upload_bytes",
        )
    try:
        folder.mkdir(parents=True)
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        raise HTTPException(
            403,
            f"nothing can be uploaded: the store {app_state.store.folder} cannot be written "
            f"({error.strerror}); start the app with another store",
        ) from None
    if free_bytes < declared + _HEADROOM_BYTES:
        folder.rmdir()
        raise HTTPException(507, f"not enough disk space for {declared} bytes; free some space")
    path = folder / safe_name(name)
    part = path.with_name(path.name + ".part")
    written = 0
    try:
        with part.open("wb") as file:
            async for chunk in request.stream():
                written += len(chunk)
                if written > limit:
                    raise RefusedError(
                        413,
                        f"the upload has more than the limit of {limit} bytes; raise "
                        "max_upload_bytes",
                    )
                await asyncio.to_thread(file.write, chunk)
        if declared and written != declared:
            raise HTTPException(
                400, f"the upload was interrupted after {written} of {declared} bytes"
            )
        part.replace(path)
    except SilentClientError:
        raise
    except (ClientDisconnect, OSError) as error:
        raise HTTPException(400, f"the upload was interrupted: {error}") from None
    finally:
        part.unlink(missing_ok=True)
        if not path.exists():
            folder.rmdir()
    return {"path": str(path), "bytes": written}


def _declared(request: Request) -> int:
    text = request.headers.get("content-length") or "0"
    if not (text.isascii() and text.isdecimal()):
        raise SettingError(f"content-length must be a whole number, got {text[:40]!r}")
    return int(text[:20])
