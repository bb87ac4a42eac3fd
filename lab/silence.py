"""Whether a process hangs: it neither says anything nor computes.

Run as a program this watches one process and ends it when it hangs. It imports the standard
library alone, so that it takes little memory and starts at once, whatever the process has loaded.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

SILENCE_S = 120.0
_OTHERS_SHARE = 0.03  # of a core, which Ray's own threads in a worker stay below
_TICKS_HZ = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def cpu_ticks(pid: int) -> int | None:
    """The processor time that a process has used; None where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    except (OSError, ValueError, IndexError):
        return None


class Silence:
    """How long a process has been silent.

    Who holds Python's lock in compiled code for long is silent as well, but uses the processor.
    ticks: its processor time. idle_share: of a core, that it uses also when it hangs.
    """

    def __init__(
        self, ticks: Callable[[], int | None], silence_s: float, idle_share: float = 0.0
    ) -> None:
        self._read, self._silence_s, self._idle_share = ticks, silence_s, idle_share
        self._since, self._ticks = time.monotonic(), ticks()

    def is_hung(self, heard: bool) -> bool:
        """heard: whether it said something just now."""
        now = time.monotonic()
        if heard:
            self._since, self._ticks = now, self._read()
        silent_s = now - self._since
        if silent_s <= self._silence_s:
            return False
        ticks = self._read()
        if ticks is None or self._ticks is None:
            return True
        if (ticks - self._ticks) / _TICKS_HZ > self._idle_share * silent_s:
            self._since, self._ticks = now, ticks
            return False
        return True


def main(pid: int) -> None:
    """Read lines until there are no more: what is done (JSON), signs of life, and its end.

    The first names the seconds of silence, and a file in which to say that the process was ended.
    """
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_take, args=[lines], daemon=True).start()
    watched: Silence | None = None
    note, poll_s = Path(), SILENCE_S
    while True:
        try:
            line = lines.get(timeout=poll_s if watched else None)
        except queue.Empty:
            line = ""
        if line is None:
            return
        if line.startswith("{"):
            task = json.loads(line)
            note, poll_s = Path(task["note"]), min(1.0, task["silence_s"] / 4)
            watched = Silence(lambda: cpu_ticks(pid), task["silence_s"], _OTHERS_SHARE)
        elif line == "end":
            watched = None
        elif watched is not None and watched.is_hung(line != ""):
            note.touch(mode=0o600)
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
            return


def _take(lines: queue.Queue[str | None]) -> None:
    for line in sys.stdin:
        lines.put(line.strip())
    lines.put(None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
