"""The only loop: frames from a source, through a detector, into a score log."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.detection import Detections
from lab.detector import Detector
from lab.errors import DetectorError
from lab.frame import Frame
from lab.score_log_writer import ScoreLogWriter
from lab.source import Source

_AHEAD_FRAMES = 8
FLUSH_EVERY_S = 2.0


@dataclass
class Progress:
    """How far a run is. total: samples to expect, None if unknown."""

    run_id: str = ""

    samples: int = 0
    failed: int = 0
    total: int | None = None
    elapsed_s: float = 0.0


def analyse(
    source: Source,
    detector: Detector,
    log: ScoreLogWriter,
    *,
    every_s: float,
    after_us: int | None = None,
    progress: Progress | None = None,
    report: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Progress:
    """Run until the source ends or `cancelled()`; what was seen is on disk when it returns.

    Decoding goes on in a thread of its own while the detector looks. Raises DetectorError if
    every sample failed in the detector.
    """
    progress = progress or Progress()
    begun = last_flush = time.monotonic()
    detector_failures = 0
    with _Ahead(source.samples(every_s, after_us)) as frames:
        for batch in _batches(frames, detector.batch_size):
            for frame, detections in zip(batch, _look(detector, batch), strict=True):
                log.add(frame, detections)
                progress.samples += 1
                progress.failed += (frame.error or detections.error) is not None
                detector_failures += detections.error is not None
            now = time.monotonic()
            progress.elapsed_s = now - begun
            if now - last_flush > FLUSH_EVERY_S:
                log.flush()
                last_flush = now
            if report is not None:
                report(progress)
            if cancelled():
                break
    log.flush()
    if progress.samples and detector_failures == progress.samples:
        raise DetectorError(f"the detector failed on all {progress.samples} samples")
    return progress


def _look(detector: Detector, batch: list[Frame]) -> list[Detections]:
    """A result per frame; frames that could not be decoded are not shown to the detector."""
    good = [frame for frame in batch if frame.error is None]
    try:
        seen = iter(detector.detect(good) if good else [])
    except Exception as error:
        # Whatever a model or a plugin raises: these samples failed, and the log says why.
        seen = iter([Detections.failed(f"detector: {error}"[:300])] * len(good))
    return [next(seen) if frame.error is None else Detections() for frame in batch]


def _batches(frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    """Up to `size` frames of one shape at a time."""
    batch: list[Frame] = []
    for frame in frames:
        shape = None if frame.image_bgr is None else frame.image_bgr.shape
        before = next((f.image_bgr.shape for f in batch if f.image_bgr is not None), shape)
        if len(batch) == size or (batch and shape is not None and shape != before):
            yield batch
            batch = []
        batch.append(frame)
    if batch:
        yield batch


class _Ahead:
    """Iterates in another thread, a few frames ahead; its errors arrive where it is read."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self._queue: queue.Queue[Frame | BaseException | None] = queue.Queue(_AHEAD_FRAMES)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="decode", daemon=True)

    def __enter__(self) -> Iterator[Frame]:
        self._thread.start()
        return self._read()

    def __exit__(self, *exc: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._queue.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)

    def _fill(self) -> None:
        end: BaseException | None = None
        try:
            for frame in self._frames:
                self._queue.put(frame)
                if self._stopped.is_set():
                    return
        except BaseException as error:
            end = error
        self._queue.put(end)

    def _read(self) -> Iterator[Frame]:
        while isinstance(item := self._queue.get(), Frame):
            yield item
        if item is not None:
            raise item
