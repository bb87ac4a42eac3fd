"""Signs of life of a worker of a cluster, and who listens to them: a process beside each worker.

On a cluster nobody else notices a worker that hangs: Ray hears threads of its own, which go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from lab import silence

_BEAT_S = 1.0
_PREFIX = "lab-hung-"
_FORGOTTEN_S = 3600.0


class _Watch:
    """The process that watches this one, started when it is first needed."""

    def __init__(self) -> None:
        self._listener: subprocess.Popen[str] | None = None
        self._guard = threading.Lock()
        self._is_busy = False

    def begin(self, task: str, silence_s: float) -> None:
        if self._listener is None or self._listener.poll() is not None:
            command = [sys.executable, "-I", "-S", silence.__file__, str(os.getpid())]
            self._listener = subprocess.Popen(
                command, stdin=subprocess.PIPE, text=True, start_new_session=True
            )
            threading.Thread(target=self._beat, args=[self._listener], daemon=True).start()
        self._is_busy = True
        self._say(json.dumps({"note": str(_note(task)), "silence_s": silence_s}))

    def end(self) -> None:
        self._is_busy = False
        self._say("end")

    def _beat(self, listener: subprocess.Popen[str]) -> None:
        """Every second while a task is done, whatever the main thread does."""
        while listener.poll() is None:
            time.sleep(_BEAT_S)
            if self._is_busy:
                self._say("alive")

    def _say(self, words: str) -> None:
        assert self._listener is not None
        assert self._listener.stdin is not None
        with self._guard, contextlib.suppress(OSError):  # it was ended; the next task has another
            self._listener.stdin.write(f"{words}\n")
            self._listener.stdin.flush()


_watch = _Watch()


@contextlib.contextmanager
def watched(task: str, silence_s: float) -> Iterator[None]:
    """While this lasts, this process is ended if it neither says anything nor computes so long.

    task: by which `was_hung` is asked afterwards.
    """
    _watch.begin(task, silence_s)
    try:
        yield
    finally:
        _watch.end()


def was_hung(task: str) -> bool:
    """Whether the worker of a task was ended on this machine since it hung. Told once."""
    for other in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if other != _note(task) and time.time() - other.stat().st_mtime > _FORGOTTEN_S:
                other.unlink()  # of a driver that is gone
    try:
        _note(task).unlink()
    except OSError:
        return False
    return True


def _note(task: str) -> Path:
    return Path(tempfile.gettempdir(), f"{_PREFIX}{task}")
