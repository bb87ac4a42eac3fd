"""What a worker takes at once, and what it has done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.exceptions import HTTPException

from lab.detection import Detections


@dataclass(frozen=True)
class Limits:
    """What a worker takes at most.

    body_bytes: of a request (413 beyond). pixels: of a picture (422). waiting: pictures that wait
    for a model (503 beyond, with Retry-After). silence_s: while a body is sent (408).
    decoded_pixels: of all JPEG and PNG that are decoded at once; the others wait for them.
    """

    body_bytes: int = 256 << 20
    pixels: int = 64_000_000
    waiting: int = 256
    silence_s: float = 15.0
    decoded_pixels: int = 256_000_000


@dataclass
class Counts:
    """What was done since the start; thread-safe."""

    frames: dict[tuple[str, str], int] = field(default_factory=dict)
    waiting: int = 0
    limit: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def taking(self, pictures: int) -> Any:
        """Raises HTTPException 503 if too many wait already."""
        with self._lock:
            if self.waiting and self.waiting + pictures > self.limit:
                raise HTTPException(
                    503, f"{self.waiting} pictures wait already", {"Retry-After": "1"}
                )
            self.waiting += pictures
        try:
            yield
        finally:
            with self._lock:
                self.waiting -= pictures

    def note(self, analysis_type: str, found: list[Detections]) -> None:
        with self._lock:
            for one in found:
                outcome = "ok" if one.error is None and one.gated is None else "failed"
                key = (analysis_type, "gated" if one.gated is not None else outcome)
                self.frames[key] = self.frames.get(key, 0) + 1


class Room:
    """For decoded pictures, of all requests together: a small file may hold a large picture."""

    def __init__(self, pixels: int) -> None:
        self._most, self._taken = pixels, 0
        self._freed = threading.Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits for room; more than there is at all is let in alone. Not to be nested."""
        with self._freed:
            self._freed.wait_for(lambda: not self._taken or self._taken + pixels <= self._most)
            self._taken += pixels
        try:
            yield
        finally:
            with self._freed:
                self._taken -= pixels
                self._freed.notify_all()
