"""Watching in the place of the process that watches a store now."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

from lab.errors import LabError
from lab.feeds.commands import send
from lab.feeds.status import is_watched

_ENDS_IN_S = 60.0
_POLL_S = 0.05


def take_over(store_folder: Path, stopped: threading.Event) -> bool:
    """Have the process that watches end, with its logs whole. Whether there was one.

    Returns when nobody watches any more, when `stopped` is set, or after a minute: whoever then
    begins is told what is in the way. One that the app has started is not started again by it.
    """
    if not is_watched(store_folder):
        return False
    with suppress(LabError):  # it ended by itself, or ends and answers nothing any more
        send(store_folder, {"do": "shut_down"})
    until = time.monotonic() + _ENDS_IN_S
    while is_watched(store_folder) and time.monotonic() < until and not stopped.wait(_POLL_S):
        pass
    return True
