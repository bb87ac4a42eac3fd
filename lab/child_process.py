"""A worker process with its two streams. Nothing here waits longer for it than was asked."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sysconfig
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.silence import cpu_ticks

_TERMINATE_S = 2.0
_LAST_WORDS_S = 1.0
Message = dict[str, Any]


class WorkerProcess:
    """A process that reads jobs, and writes what becomes of them, a JSON line each.

    A worker that is stopped reads nothing, so that a pipe to it may be full: a thread writes and
    another one reads, and whoever sends never waits.

    is_apart: Ctrl+C in a terminal does not reach it. Raises OSError if it cannot be started.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, is_apart: bool = False
    ) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(environment),
            process_group=0 if is_apart and os.name == "posix" else None,
        )
        self._outgoing: queue.Queue[Message | None] = queue.Queue()
        self._incoming: queue.Queue[Message | None] = queue.Queue()
        for target in (self._write, self._read):
            threading.Thread(target=target, daemon=True, name=f"worker-{self.pid}").start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def send(self, message: Message) -> None:
        """Have it written when the worker reads; one that has ended gets nothing."""
        self._outgoing.put(message)

    def receive(self, timeout_s: float) -> Message | None:
        """The next message; None if there is none in that time. Raises EOFError after the last."""
        had_ended = self.has_ended
        try:
            # Its last words may still be read; what it started may hold its output open for ever.
            message = self._incoming.get(timeout=_LAST_WORDS_S if had_ended else timeout_s)
        except queue.Empty:
            if had_ended:
                raise EOFError from None
            return None
        if message is None:
            raise EOFError
        return message

    def cpu_ticks(self) -> int | None:
        """The processor time that it has used; None where the system does not say."""
        return cpu_ticks(self.pid)

    def wait(self, timeout_s: float | None = None) -> int:
        """Its exit code, negative for a signal. Raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Let it end by itself, as it does when its input closes; end it if it does not."""
        self._outgoing.put(None)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.end()

    def end(self) -> None:
        """Let it keep what it has and end; kill it if it does not."""
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)  # a stopped one handles no signal
        try:
            self._process.wait(_TERMINATE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._outgoing.put(None)  # so that the thread ends

    def _write(self) -> None:
        stream = self._process.stdin
        assert stream is not None
        with contextlib.suppress(OSError):  # it has ended; its reader says so
            while (message := self._outgoing.get()) is not None:
                stream.write(json.dumps(message) + "\n")
                stream.flush()
        with contextlib.suppress(OSError):
            stream.close()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        try:
            for line in stream:
                self._incoming.put(json.loads(line))
        except (OSError, ValueError):
            pass  # it died in the middle of a line
        finally:
            self._incoming.put(None)


def lab_environment() -> dict[str, str]:
    """This process's environment, and where `lab` is if it is not installed: a child that is
    started with it runs the same code.
    """
    environment = dict(os.environ)
    root = str(Path(__file__).resolve().parents[1])
    if root not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        paths = [root, *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment
