"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

# What a process that was killed while writing leaves beside the file.
PART_NAME = re.compile(r"\.[0-9a-f]{16}\.part")


def write_atomically(
    path: str | Path, content: str | bytes, *, is_durable: bool = False, mode: int | None = None
) -> Path:
    """Put `content` at `path`: a reader sees the file that was there before, or all of this one.

    content: text is written as UTF-8. is_durable: return only once it would survive a loss of
    power. mode: of the file, from its first byte on; by default as other new files.

    Returns the path. Raises OSError if it cannot be written; what was there before stays then.
    """
    path = Path(path)
    # A name of its own, so that neither a long name nor another writer is in the way.
    part = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        with part.open("xb") as file:
            if mode is not None:
                part.chmod(mode)
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if is_durable:
        sync_folder(path.parent)
    return path


def sync_folder(folder: Path) -> None:
    """Make names that were given in a folder survive a loss of power. Raises OSError."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
