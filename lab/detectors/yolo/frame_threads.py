"""Pictures side by side, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from lab.detection import Detections
from lab.frame import Frame


class FrameThreads:
    """So many threads, from the first batch on until `close`."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads: ThreadPoolExecutor | None = None

    def map(
        self, detect: Callable[[Frame], Detections], frames: Sequence[Frame]
    ) -> list[Detections]:
        """One result a frame, in order. Raises what `detect` raises."""
        if self._count == 1 or len(frames) == 1:
            return [detect(frame) for frame in frames]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="frame")
        return list(self._threads.map(detect, frames))

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
