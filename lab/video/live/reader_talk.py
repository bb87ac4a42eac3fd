"""How the process that reads a connection is talked to: lines of JSON, SIGTERM, the end of input.

What the lines are says `lab.video.live.reader`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from lab.video.live.taken import Taken
from lab.video.live.viewing import Viewing

_CLOSE_S = 2.0


class Stopped(BaseException):
    """Ends the process with its files whole."""


class Stopping:
    """What SIGTERM does: at once, but for a frame that is being kept and told."""

    def __init__(self) -> None:
        self._is_put_off = self.is_asked = False

    @contextmanager
    def put_off(self) -> Iterator[None]:
        self._is_put_off = True
        try:
            yield
        finally:
            self._is_put_off = False
        if self.is_asked:
            raise Stopped

    def ask(self, *_: object) -> None:
        if self.is_asked:
            return
        self.is_asked = True
        if not self._is_put_off:
            raise Stopped


stopping = Stopping()
wanted_now = threading.Event()  # somebody wants the next frame as a sample


def listen(viewing: Viewing, taken: Taken) -> None:
    """Until the input ends, and the process with it: who watches, and what was taken."""
    with suppress(OSError, ValueError):
        while line := sys.stdin.readline():
            said = json.loads(line)
            if asked := said.get("view"):
                viewing.ask(asked["height"], asked["for_s"])
            if said.get("now"):
                wanted_now.set()
            taken.note(said.get("taken", 0))
    os.kill(os.getpid(), signal.SIGTERM)  # so that its files are whole
    time.sleep(_CLOSE_S)
    viewing.remove()
    os._exit(0)  # the connection may block for ever


_told: TextIO | None = None


def keep_output() -> None:
    """What libraries print must not come between the lines that are told."""
    global _told
    _told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def say(kind: str, **values: Any) -> None:
    output = _told or sys.stdout
    with suppress(BrokenPipeError):  # nobody listens: the input closes as well, and ends this
        output.write(json.dumps({"kind": kind, **values}) + "\n")
        output.flush()
