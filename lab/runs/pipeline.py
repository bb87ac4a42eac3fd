"""The only loop: frames from a source, through detectors, into score logs."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.gate import Gate
from lab.frame import Frame, FrameStamp
from lab.runs.progress import Progress
from lab.score_log.writer import ScoreLogWriter
from lab.video.sampling import Sampling, Window
from lab.video.source import Sample

_AHEAD_FRAMES = 8
_MOST_AHEAD_FRAMES = 32
_AHEAD_BYTES = 100 << 20
_MAX_WAITING = 256  # samples that wait for a batch to fill, so that progress is seen
_MAX_REASON = 300
FLUSH_EVERY_S = 2.0


@dataclass(frozen=True)
class LoggedSample:
    """A sample that was just put into a log.

    image_bgr: its picture, if it was analysed. log: where it was put; it is on disk after
    `log.flush()`.
    """

    stamp: FrameStamp
    found: Detections
    image_bgr: np.ndarray | None
    log: ScoreLogWriter


@dataclass
class AnalysisTask:
    """One analysis under way: its detector, its log, its sampling.

    after_us: the last sample that its log has already. detect_s: seconds spent in the detector.
    analysed: samples that the log has a result for, those of an earlier session included.
    error: why the analysis as a whole failed. is_live: nothing waits for a batch to fill.
    on_logged: told of each sample that was logged, in order. size_px: width and height in whose
    pixels boxes are logged, whatever size a frame has; (0, 0) for those of the first picture, which
    `on_size` is told before its boxes are logged; None for each frame's own.
    """

    detector: Detector
    log: ScoreLogWriter
    sampling: Sampling
    name: str = ""
    gate: Gate | None = None
    after_us: int | None = None
    analysed: int = 0
    progress: Progress = field(default_factory=Progress)
    detect_s: float = 0.0
    error: str | None = None
    is_live: bool = False
    on_logged: Callable[[LoggedSample], None] | None = None
    size_px: tuple[int, int] | None = None
    on_size: Callable[[tuple[int, int]], None] | None = None

    def __post_init__(self) -> None:
        self._recent: dict[int, Frame] = {}
        self._last_taken = -1
        self._waiting: list[_Waiting] = []
        self._shape: tuple[int, ...] | None = None
        self._pictures = 0
        self._failures = 0
        self._first_error: str | None = None

    @property
    def shown_after_us(self) -> int | None:
        """What it is shown begins after this time: at the beginning if it has a memory."""
        has_memory = self.detector.is_stateful or self.gate is not None
        return None if has_memory else self.after_us

    @property
    def failed_calls(self) -> tuple[int, str | None]:
        """On how many samples the detector failed, and why it did first."""
        return self._failures, self._first_error

    def begin(self) -> None:
        """Clear what the detector and the gate remember of an earlier pass.

        Sets `error` where that cannot be done; the analysis then takes no frames.
        """
        try:
            self.detector.reset()
            if self.gate is not None:
                self.gate.reset()
        except Exception as error:
            self.error = f"the detector cannot begin anew: {error}"[:_MAX_REASON]

    def give(self, sample: Sample, window: Window | None) -> None:
        """A sample that some analysis needs, and the window of this one that it completes."""
        if isinstance(sample.frame, Frame):
            self.take(sample.frame, window)
        else:
            self.skip(sample.frame, window, sample.skipped or "skipped")

    def take(self, frame: Frame, window: Window | None) -> None:
        """A frame that some analysis needs, and the window of this one that it completes."""
        if self.error is not None:
            return
        if not self.sampling.is_plain:
            self._recent[frame.index] = frame
            oldest = frame.index - self.sampling.reach
            self._recent = {i: f for i, f in self._recent.items() if i >= oldest}
        if window is None:
            return
        if self.detector.takes_windows:
            self._run_window([self._recent[i] for i in window] if self._recent else [frame])
            return
        if self.sampling.is_plain:
            fresh = [frame]
        else:
            fresh = [self._recent[i] for i in window if i > self._last_taken]
        self._last_taken = window[-1]
        for one in fresh:
            self._add_to_batch(one)

    def skip(self, stamp: FrameStamp, window: Window | None, reason: str) -> None:
        """A sample that was not analysed, though its frame was whole."""
        if self.error is None and window is not None:
            self.run_batch()
            self._log(stamp, Detections.held_back(reason))

    def _add_to_batch(self, frame: Frame) -> None:
        """A batch holds pictures of one shape; what the detector is not given waits without one."""
        reason = None if self.gate is None else self.gate.check(frame)
        if reason is not None or frame.image_bgr is None:
            known = Detections.held_back(reason) if reason is not None else Detections()
            self._waiting.append(_Waiting(frame.stamp, None, known))
        else:
            if frame.image_bgr.shape != self._shape:
                self.run_batch()
                self._shape = frame.image_bgr.shape
            self._waiting.append(_Waiting(frame.stamp, frame, None))
            self._pictures += 1
        is_full = self.is_live or self._pictures >= self.detector.batch_size
        if is_full or len(self._waiting) >= _MAX_WAITING:
            self.run_batch()

    def run_batch(self) -> None:
        """Run the detector on what waits, and log it."""
        frames = [waiting.frame for waiting in self._waiting if waiting.frame is not None]
        found = iter(self._detect(frames, len(frames)) if frames else [])
        for waiting in self._waiting:
            known = next(found) if waiting.known is None else waiting.known
            self._log(waiting.stamp, known, waiting.frame)
        self._waiting, self._pictures = [], 0

    def _run_window(self, frames: list[Frame]) -> None:
        """One window for a detector that takes windows; its result is of the last frame."""
        last = frames[-1]
        broken = next((f for f in frames if f.error is not None), None)
        reason = None if self.gate is None else self.gate.check(last)
        if reason is not None:
            found = Detections.held_back(reason)
        elif broken is not None:
            found = Detections.failed(f"frame {broken.index} of the window: {broken.error}")
        else:
            (found,) = self._detect(frames, 1)
        self._log(last.stamp, found, last)

    def _detect(self, frames: list[Frame], count: int) -> list[Detections]:
        """The detector's results. Whatever a model or a plugin raises: these samples failed."""
        begun = time.monotonic()
        try:
            found = run_detector(self.detector, frames, count)
        except Exception as error:
            found = [Detections.failed(f"detector: {error}"[:_MAX_REASON])] * count
        self.detect_s += time.monotonic() - begun
        errors = [one.error for one in found if one.error is not None]
        self._failures += len(errors)
        self._first_error = self._first_error or next(iter(errors), None)
        self.analysed += sum(one.error is None and one.gated is None for one in found)
        return [self._in_size(*pair) for pair in zip(found, frames[-count:], strict=True)]

    def _in_size(self, found: Detections, frame: Frame) -> Detections:
        if self.size_px is None or frame.image_bgr is None:
            return found
        height_px, width_px = frame.image_bgr.shape[:2]
        if self.size_px == (0, 0):
            self.size_px = (width_px, height_px)
            if self.on_size is not None:
                self.on_size(self.size_px)
        return found.scaled((width_px, height_px), self.size_px)

    def _log(self, stamp: FrameStamp, found: Detections, frame: Frame | None = None) -> None:
        if self.after_us is not None and stamp.pts_us <= self.after_us:
            return
        self.log.add(stamp, found)
        self.progress.samples += 1
        self.progress.failed += (stamp.error or found.error) is not None
        self.progress.gated += found.gated is not None
        if self.on_logged is not None:
            image_bgr = None if frame is None else frame.image_bgr
            self.on_logged(LoggedSample(stamp, found, image_bgr, self.log))

    def finish(self) -> None:
        """Log what is left. Sets `error` if the detector failed on all that it was given."""
        self.run_batch()
        self.log.flush()
        if self._failures and not self.analysed and self.error is None:
            count = self._failures
            self.error = f"the detector failed on all {count} samples: {self._first_error}"


@dataclass(frozen=True)
class _Waiting:
    """A sample that waits to be logged: with its picture, or with what is known of it."""

    stamp: FrameStamp
    frame: Frame | None
    known: Detections | None


def run_detector(
    detector: Detector, frames: Sequence[Frame], count: int | None = None
) -> list[Detections]:
    """The detector's results, their boxes clipped to the picture.

    count: how many results to expect, if not one a frame; they are of the last frame.

    Raises TypeError for anything but that many results.
    """
    found = detector.detect(frames) if frames else []
    wanted = len(frames) if count is None else count
    if not isinstance(found, list) or not all(isinstance(one, Detections) for one in found):
        got = type(found).__name__
        if isinstance(found, list):
            got = "a list with " + ", ".join(sorted({type(one).__name__ for one in found}))
        raise TypeError(f"it returned {got}, expected list[Detections]")
    if len(found) != wanted:
        raise TypeError(f"it returned {len(found)} results for {wanted} frames")
    shown = frames[-wanted:] if wanted else []
    return [_inside(one, frame) for one, frame in zip(found, shown, strict=True)]


def _inside(found: Detections, frame: Frame) -> Detections:
    if not len(found) or frame.image_bgr is None:
        return found
    height, width = frame.image_bgr.shape[:2]
    box_xyxy_px = np.clip(found.box_xyxy_px, 0, np.array([width, height] * 2, np.float32))
    if np.array_equal(box_xyxy_px, found.box_xyxy_px):
        return found
    return replace(found, box_xyxy_px=box_xyxy_px)


def run_tasks(
    samples: Iterable[Sample],
    tasks: Sequence[AnalysisTask],
    *,
    report: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    flush_every_s: float = FLUSH_EVERY_S,
    waits_for_batches: bool = True,
) -> bool:
    """Run until the samples end or `cancelled()`; what was seen is on disk when it returns.

    samples: as `lab.video.source.Source.samples` gives them, a window for each of the tasks. They
    are read in a thread of their own (that of an `Ahead` may be reading already), and each is given
    to every task that needs it. A task whose detector fails on everything has its `error`; the
    others go on. waits_for_batches: False where the next sample may take long to come: what is
    there is then analysed without it.

    Returns whether the samples came to their end.
    """
    begun = last_flush = time.monotonic()
    is_whole = True
    for task in tasks:
        task.begin()
    try:
        with _read_ahead(samples, tasks) as decoded:
            for sample in decoded:
                for task, window in zip(tasks, sample.windows, strict=True):
                    task.give(sample, window)
                    if not waits_for_batches and isinstance(decoded, Ahead) and decoded.is_empty:
                        task.run_batch()
                now = time.monotonic()
                for task in tasks:
                    task.progress.elapsed_s = now - begun
                if now - last_flush > flush_every_s:
                    for task in tasks:
                        task.log.flush()
                    last_flush = now
                if report is not None:
                    report(_together([task.progress for task in tasks]))
                if cancelled():
                    is_whole = False
                    break
    except KeyboardInterrupt:
        # Without the batch that waits: it may be the one from which a detector did not return.
        for task in tasks:
            task.log.flush()
        raise
    except BaseException:
        # Also where the source breaks: what was analysed until then is kept.
        for task in tasks:
            task.finish()
        raise
    for task in tasks:
        task.finish()
    return is_whole


def _read_ahead(
    samples: Iterable[Sample], tasks: Sequence[AnalysisTask]
) -> AbstractContextManager[Iterable[Sample]]:
    """In a thread; but of a live source only what is newest when it is wanted."""
    is_live = any(task.is_live for task in tasks) and not isinstance(samples, Ahead)
    return nullcontext(samples) if is_live else Ahead.of(samples)


def _together(each: Sequence[Progress]) -> Progress:
    """The progress of several analyses, as one."""
    if len(each) == 1:
        return each[0]
    known = [p.total for p in each if p.total is not None]
    return Progress(
        each[0].run_id,
        sum(p.samples for p in each),
        sum(p.failed for p in each),
        sum(p.gated for p in each),
        sum(known) if len(known) == len(each) else None,
        each[0].elapsed_s,
    )


class Ahead(Iterator[Sample]):
    """Reads samples in another thread, a few ahead; its errors arrive where they are taken.

    A context manager that gives the samples, once; it may be entered again while they last.
    is_recorded: they do not grow old while they wait: small pictures are read further ahead.
    """

    @classmethod
    def of(cls, samples: Iterable[Sample], *, is_recorded: bool = False) -> Ahead:
        """These samples; as they are if they are read ahead already."""
        return samples if isinstance(samples, cls) else cls(samples, is_recorded=is_recorded)

    def __init__(self, samples: Iterable[Sample], *, is_recorded: bool = False) -> None:
        self._samples = samples
        self._is_recorded = is_recorded
        self._queue: queue.Queue[Sample | BaseException | None] = queue.Queue(_AHEAD_FRAMES)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="decode", daemon=True)

    def begin(self) -> Ahead:
        if not self._thread.ident:
            self._thread.start()
        return self

    @property
    def is_empty(self) -> bool:
        """Whether whoever takes the next sample would wait for it."""
        return self._queue.empty()

    def __enter__(self) -> Ahead:
        return self.begin()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Read no more, and drop what was read."""
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._queue.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)

    def __next__(self) -> Sample:
        item = self._queue.get()
        if isinstance(item, Sample):
            return item
        self._queue.put(item)  # the end stays the end
        raise StopIteration if item is None else item

    def _fill(self) -> None:
        end: BaseException | None = None
        try:
            for sample in self._samples:
                if self._is_recorded and isinstance(sample.frame, Frame):
                    self._queue.maxsize = _room_for(sample.frame)
                self._queue.put(sample)
                if self._stopped.is_set():
                    return
        except BaseException as error:
            end = error
        self._queue.put(end)


def _room_for(frame: Frame) -> int:
    """How many such frames may wait: 8, and more where they are small."""
    size_bytes = 0 if frame.image_bgr is None else frame.image_bgr.nbytes
    return min(max(_AHEAD_FRAMES, _AHEAD_BYTES // max(1, size_bytes)), _MOST_AHEAD_FRAMES)
