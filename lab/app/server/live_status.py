"""What the process that watches says of itself, read once for everybody in the app who asks."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

STALE_S = 5.0  # it writes at least once a second
Status = dict[str, Any]


class LiveStatus:
    """The status of a store's feeds. Asking costs a look at the file's times, unless it changed.

    folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "feeds" / "status.json"
        self._guard = threading.Lock()
        self._stamp: object = None
        self._status: Status | None = None

    def get(self) -> Status | None:
        """As it was last written; None where nobody watches: no file, or an old one."""
        with self._guard:
            try:
                now = os.stat(self._file)
            except OSError:
                self._stamp = self._status = None
                return None
            stamp = (now.st_mtime_ns, now.st_ino, now.st_size)
            if stamp != self._stamp:
                self._status = self._read()
                self._stamp = stamp
            status = self._status
        if status is None or time.time() - float(status.get("written") or 0) > STALE_S:
            return None
        return status

    def feeds(self) -> dict[str, Status]:
        """Each feed by its id; empty where nobody watches."""
        return dict((self.get() or {}).get("feeds") or {})

    def feed(self, feed_id: str) -> Status | None:
        """One feed; None where nobody watches it."""
        return self.feeds().get(feed_id)

    def of_run(self, run_id: str) -> tuple[str, Status] | None:
        """The feed whose run that is now, with its id."""
        found = self.feeds().items()
        return next((one for one in found if one[1].get("run_id") == run_id), None)

    def _read(self) -> Status | None:
        try:
            status = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return None
        return status if isinstance(status, dict) else None
