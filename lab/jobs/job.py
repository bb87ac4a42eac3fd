"""Jobs of workers, and their progress. Every browser tab sees the same ones."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass
class Job:
    """A job of a worker.

    done, total: steps; total is None if unknown. begun_at: steps that were done before it began.
    error: why it failed, or that its worker had to be ended when it was cancelled. error_type: the
    name of the error's class. result: what the worker returned. started, ended: seconds of the
    monotonic clock. decoded: set when its clip is decoded, so that another one may be begun, and at
    the latest when it ends.

    It is queued, then perhaps running, then ended, which is final. `begin` and `end` may be
    called from any thread.
    """

    kind: str
    title: str
    payload: dict[str, Any]
    job_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    state: State = "queued"
    done: int = 0
    begun_at: int | None = None
    total: int | None = None
    run_id: str | None = None
    error: str | None = None
    error_type: str | None = None
    result: dict[str, Any] | None = None
    started: float | None = None
    ended: float | None = None
    decoded: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def is_active(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def rate_hz(self) -> float:
        """Steps a second so far."""
        if self.started is None:
            return 0.0
        return (self.done - (self.begun_at or 0)) / max(
            1e-3, (self.ended or time.monotonic()) - self.started
        )

    @property
    def left_s(self) -> float | None:
        """Seconds that remain at this rate; None if unknown."""
        if self.total is None or not self.rate_hz:
            return None
        return max(0, self.total - self.done) / max(1e-6, self.rate_hz)

    def begin(self) -> bool:
        """From queued to running. False if it was cancelled before."""
        with self._guard:
            if self.state != "queued":
                return False
            self.state, self.started = "running", time.monotonic()
            return True

    def drop(self) -> bool:
        """From queued to cancelled. False if it has begun, or ended."""
        with self._guard:
            if self.state != "queued":
                return False
            self._end("cancelled", None)
            return True

    def end(self, state: State, error: str | None = None) -> None:
        """End the job, unless it has ended already."""
        with self._guard:
            if self.is_active:
                self._end(state, error)

    def _end(self, state: State, error: str | None) -> None:
        self.state, self.error, self.ended = state, error, time.monotonic()
        self.decoded.set()
        self.finished.set()
