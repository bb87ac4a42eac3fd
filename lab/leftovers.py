"""Folders of processes that were killed: their names hold the process's id."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def remove_folders_of_the_dead(prefix: str, parent: Path | None = None) -> None:
    """Remove folders `PREFIX<pid>` and `PREFIX<pid>-...` whose process is gone.

    parent: where they lie; by default among the temporary ones.
    """
    for place in (parent or Path(tempfile.gettempdir())).glob(f"{prefix}*"):
        pid = place.name.removeprefix(prefix).partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(place, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
