"""The only loop: frames from a source, through detectors, into score logs."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector, own_pictures
from lab.detectors.gate import Gate
from lab.errors import DetectorError
from lab.frame import Frame
from lab.runs.progress import Progress
from lab.score_log.writer import ScoreLogWriter
from lab.video.sampling import Sampling, Window
from lab.video.source import Shot, Source, shots

_AHEAD_FRAMES = 8


_MAX_WAITING = 256  # frames that a gate held back while a batch fills


FLUSH_EVERY_S = 2.0


@dataclass
class AnalysisTask:
    """One analysis under way: its detector, its log, its sampling.

    after_us: the last sample that its log has already. detect_s: seconds spent in the detector.
    error: why the analysis as a whole failed.
    """

    detector: Detector
    log: ScoreLogWriter
    sampling: Sampling
    name: str = ""
    gate: Gate | None = None
    after_us: int | None = None
    progress: Progress = field(default_factory=Progress)
    detect_s: float = 0.0
    error: str | None = None

    def __post_init__(self) -> None:
        self._recent: dict[int, Frame] = {}
        self._given = -1
        self._waiting: list[tuple[Frame, Detections | None]] = []
        self._detector_failures = 0

    @property
    def shown_after_us(self) -> int | None:
        """What it is shown begins after this time: at the beginning if it has a memory."""
        remembers = getattr(self.detector, "is_stateful", False) or self.gate is not None
        return None if remembers else self.after_us

    def take(self, frame: Frame, window: Window | None) -> None:
        """A frame that some analysis needs, and the window of this one that it completes."""
        if not self.sampling.is_plain:
            self._recent[frame.index] = frame
            oldest = frame.index - self.sampling.reach
            self._recent = {i: f for i, f in self._recent.items() if i >= oldest}
        if window is None:
            return
        if getattr(self.detector, "takes_windows", False):
            self._call([self._recent[i] for i in window] if self._recent else [frame])
            return
        fresh = (
            [frame]
            if self.sampling.is_plain
            else [self._recent[i] for i in window if i > self._given]
        )
        self._given = window[-1]
        for one in fresh:
            self._wait(one)

    def _wait(self, frame: Frame) -> None:
        reason = None if self.gate is None else self.gate.look(frame)
        self._make_room(frame)
        skipped = Detections.held_back(reason) if reason else Detections() if frame.error else None
        self._waiting.append((frame, skipped))
        to_look_at = sum(1 for _, known in self._waiting if known is None)
        if to_look_at >= self.detector.batch_size or len(self._waiting) >= _MAX_WAITING:
            self.look()

    def _make_room(self, frame: Frame) -> None:
        """A batch holds pictures of one shape."""
        shapes = {
            f.image_bgr.shape
            for f, known in self._waiting
            if known is None and f.image_bgr is not None
        }
        if shapes and frame.image_bgr is not None and frame.image_bgr.shape not in shapes:
            self.look()

    def look(self) -> None:
        """Have the detector look at what waits, and log it."""
        good = [frame for frame, known in self._waiting if known is None]
        begun = time.monotonic()
        try:
            seen = iter(run_detector(self.detector, good))
        except Exception as error:
            # Whatever a model or a plugin raises: these samples failed, and the log says why.
            seen = iter([Detections.failed(f"detector: {error}"[:300])] * len(good))
        self.detect_s += time.monotonic() - begun
        for frame, known in self._waiting:
            self._keep(frame, next(seen) if known is None else known)
        self._waiting = []

    def _call(self, frames: list[Frame]) -> None:
        """One window for a detector that takes windows; its answer is of the last frame."""
        last, begun = frames[-1], time.monotonic()
        broken = next((f for f in frames if f.error is not None), None)
        reason = None if self.gate is None else self.gate.look(last)
        if reason:
            found = Detections.held_back(reason)
        elif broken is not None:
            found = Detections.failed(f"frame {broken.index} of the window: {broken.error}")
        else:
            try:
                (found,) = run_detector(self.detector, frames, 1)
            except Exception as error:
                found = Detections.failed(f"detector: {error}"[:300])
        self.detect_s += time.monotonic() - begun
        self._keep(last, found)

    def _keep(self, frame: Frame, found: Detections) -> None:
        if self.after_us is not None and frame.pts_us <= self.after_us:
            return
        self.log.add(frame, found)
        self.progress.samples += 1
        self.progress.failed += (frame.error or found.error) is not None
        self.progress.gated += found.gated is not None
        self._detector_failures += found.error is not None

    def finish(self) -> None:
        """Log what is left. Sets `error` if the detector failed on every sample it was given."""
        self.look()
        self.log.flush()
        given = self.progress.samples - self.progress.gated
        if given and self._detector_failures == given:
            why = self.log.first_reason or "no reason given"
            self.error = f"the detector failed on all {given} samples: {why}"


def run_detector(
    detector: Detector, frames: list[Frame], count: int | None = None
) -> list[Detections]:
    """What the detector says, its boxes clipped to the picture.

    count: how many results to expect, if not one a frame; they are of the last frame.

    Raises TypeError for anything but that many results.
    """
    found = detector.detect(own_pictures(detector, frames)) if frames else []
    wanted = len(frames) if count is None else count
    if not isinstance(found, list) or not all(isinstance(one, Detections) for one in found):
        got = type(found).__name__
        if isinstance(found, list):
            got = "a list with " + ", ".join(sorted({type(one).__name__ for one in found}))
        raise TypeError(f"it returned {got}, expected list[Detections]")
    if len(found) != wanted:
        raise TypeError(f"it returned {len(found)} results for {wanted} frames")
    return [
        _inside(one, frame)
        for one, frame in zip(found, frames[-wanted:] if wanted else [], strict=True)
    ]


def _inside(found: Detections, frame: Frame) -> Detections:
    if not len(found) or frame.image_bgr is None:
        return found
    height, width = frame.image_bgr.shape[:2]
    box_xyxy_px = np.clip(found.box_xyxy_px, 0, np.array([width, height] * 2, np.float32))
    return (
        found
        if np.array_equal(box_xyxy_px, found.box_xyxy_px)
        else replace(found, box_xyxy_px=box_xyxy_px)
    )


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
    """Run one detector until the source ends or `cancelled()`; see `run_tasks`.

    Raises DetectorError if every sample failed in the detector.
    """
    task = AnalysisTask(
        detector,
        log,
        Sampling(interval_s=every_s),
        after_us=after_us,
        progress=progress or Progress(),
    )
    run_tasks(source, [task], report=report, cancelled=cancelled)
    if task.error is not None:
        raise DetectorError(task.error)
    return task.progress


def run_tasks(
    source: Source,
    tasks: Sequence[AnalysisTask],
    *,
    report: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Run until the source ends or `cancelled()`; what was seen is on disk when it returns.

    Every frame is decoded once, in a thread of its own, and given to each analysis that asks for
    it. An analysis whose detector fails on everything has its `error`; the others go on.
    """
    for task in tasks:
        task.detector.reset()
    begun = last_flush = time.monotonic()
    frames = shots(
        source, [task.sampling for task in tasks], [task.shown_after_us for task in tasks]
    )
    with _Ahead(frames) as decoded:
        for frame, windows in decoded:
            for task, window in zip(tasks, windows, strict=True):
                task.take(frame, window)
            now = time.monotonic()
            for task in tasks:
                task.progress.elapsed_s = now - begun
            if now - last_flush > FLUSH_EVERY_S:
                for task in tasks:
                    task.log.flush()
                last_flush = now
            if report is not None:
                report(tasks[0].progress if len(tasks) == 1 else _together(tasks))
            if cancelled():
                break
    for task in tasks:
        task.finish()


def _together(tasks: Sequence[AnalysisTask]) -> Progress:
    """The progress of several analyses, as one."""
    each = [task.progress for task in tasks]
    known = [p.total for p in each if p.total is not None]
    return Progress(
        each[0].run_id,
        sum(p.samples for p in each),
        sum(p.failed for p in each),
        sum(p.gated for p in each),
        sum(known) if len(known) == len(each) else None,
        each[0].elapsed_s,
    )


class _Ahead:
    """Iterates in another thread, a few frames ahead; its errors arrive where it is read."""

    def __init__(self, frames: Iterator[Shot]) -> None:
        self._frames = frames
        self._queue: queue.Queue[Shot | BaseException | None] = queue.Queue(_AHEAD_FRAMES)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="decode", daemon=True)

    def __enter__(self) -> Iterator[Shot]:
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

    def _read(self) -> Iterator[Shot]:
        while isinstance(item := self._queue.get(), Shot):
            yield item
        if item is not None:
            raise item
