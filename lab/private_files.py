"""What the lab keeps is readable by the user alone: the one place that says so."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def keep_files_private() -> None:
    """Give each file that this process makes from now on the mode 0600, folders 0700.

    For the app, its workers and the command line; a notebook's process is left as it is, and
    there the store's folder keeps others out.
    """
    os.umask(0o077)


def private_folder(folder: Path) -> None:
    """Make a folder of mode 0700, or take from an own one what it lets others do.

    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.name != "posix":
        return
    found = folder.stat()
    if found.st_mode & 0o077 and found.st_uid == os.geteuid():
        with contextlib.suppress(OSError):  # a file system that knows no modes, or is read-only
            folder.chmod(0o700)
