"""What holds for a connection that writes an upload, and for the disk that it writes to."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException

from lab.access.asker import RefusedError
from lab.errors import SettingError

HEADROOM_BYTES = 256 << 20  # of the disk, for the catalog and the logs


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """silence_s: how long who writes may wait for a reader. max_ahead: bytes that it may be ahead
    of the analysis, None for any.
    """

    silence_s: float
    max_bytes: int
    max_ahead: int | None = None


def check_room(folder: Path) -> None:
    """Raises OSError, ENOSPC, where no more should be written."""
    if shutil.disk_usage(folder).free < HEADROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def check_room_for(folder: Path, size_bytes: int) -> None:
    """Raises HTTPException, 507."""
    if shutil.disk_usage(folder).free < size_bytes + HEADROOM_BYTES:
        raise HTTPException(507, f"not enough disk space for {size_bytes} bytes; free some space")


def check_length(length: int | None, offset: int, size_bytes: int | None) -> None:
    """length: of a body that begins at that byte; None for what nobody said.

    Raises SettingError, before anything is kept of a body that is longer than what is missing.
    """
    if length is not None and size_bytes is not None and offset + length > size_bytes:
        raise SettingError(
            f"{offset} of the {size_bytes} bytes that were declared are there, Content-Length says "
            f"{length} more; send the {size_bytes - offset} that are missing"
        )


def too_large(size_bytes: int, most: int) -> RefusedError:
    return RefusedError(
        413,
        f"the upload has {size_bytes} bytes, more than the limit of {most}; raise max_upload_bytes",
    )


def not_writable(folder: Path, error: OSError) -> HTTPException:
    return HTTPException(
        403,
        f"nothing can be uploaded: the store {folder} cannot be written ({error.strerror}); start "
        "the app with another store",
    )
