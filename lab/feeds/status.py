"""What the process that watches says of itself: a file that everybody may read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lab.atomic_file import write_atomically

FOLDER = "feeds"


def feeds_folder(store_folder: str | Path) -> Path:
    return Path(store_folder) / FOLDER


def write_status(store_folder: str | Path, status: Mapping[str, Any]) -> None:
    """Raises OSError."""
    write_atomically(feeds_folder(store_folder) / "status.json", json.dumps(status))


def read_status(store_folder: str | Path) -> dict[str, Any] | None:
    """The status of the process that watches; None where nobody does.

    docs/guide/feeds.md lists its keys.
    """
    if not is_watched(store_folder):
        return None
    return last_status(store_folder)


def last_status(store_folder: str | Path) -> dict[str, Any] | None:
    """The one that was written last, whether or not its process still lives."""
    try:
        text = (feeds_folder(store_folder) / "status.json").read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def watch_lock(store_folder: str | Path) -> FileLock:
    """Held for life by the process that watches."""
    return FileLock(feeds_folder(store_folder) / "watch.lock", mode=0o600, thread_local=False)


def is_watched(store_folder: str | Path) -> bool:
    """Whether a process watches the feeds of a store."""
    if not feeds_folder(store_folder).is_dir():
        return False
    lock = watch_lock(store_folder)
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False
