"""Analysing a stretch of a clip somewhere else, and putting the stretches' logs together.

No catalog and no store is touched here. A stretch ends at a sample of the grid, so that the logs of
all stretches, one after the other, are the log of the whole clip.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.detectors.detector import Detector
from lab.detectors.gate import Gate
from lab.registry import in_words
from lab.runs.pipeline import FLUSH_EVERY_S, AnalysisTask, run_tasks
from lab.score_log.parts import parts_of
from lab.score_log.writer import ScoreLogWriter
from lab.video.media import Media
from lab.video.sampling import Sampling
from lab.video.source import Sample, Source

_WHOLE_BATCHES = 64  # a multiple of the usual sizes of a batch


@dataclass(frozen=True)
class Stretch:
    """Samples after `after_us` up to and with `until_us`, media time; None: from the beginning, to
    the end.
    """

    after_us: int | None = None
    until_us: int | None = None


@dataclass(frozen=True)
class Wanted:
    """One analysis of a pass."""

    detector: Detector
    sampling: Sampling
    gate: Gate | None = None


@dataclass(frozen=True)
class LogEnd:
    """What became of an analysis in a stretch. count: of samples. analysed, failed_calls: samples
    with a result, and those on which the detector failed; first_error: of the first of these.
    error: why it could not begin. seconds: spent on it.
    """

    count: int
    analysed: int
    failed_calls: int
    first_error: str | None
    error: str | None
    seconds: float


@dataclass(frozen=True)
class PieceLog:
    """What an analysis found in a stretch, with the rest as of `LogEnd`.

    samples, detections: the two Parquet files of a part, empty if there was no sample.
    """

    samples: bytes
    detections: bytes
    count: int
    analysed: int
    failed_calls: int
    first_error: str | None
    error: str | None
    seconds: float


@dataclass(frozen=True)
class PieceResult:
    """logs: one for each analysis. broken: the class and text of what ended the stretch early; the
    logs hold what was seen until then. is_whole: False if it was cancelled.
    """

    logs: Sequence[PieceLog]
    broken: tuple[str, str] | None = None
    is_whole: bool = True


def stretches_of(
    source: Source,
    wanted: Sequence[Wanted],
    samples: int,
    after_us: int | None = None,
    *,
    parts: int = 1,
) -> list[Stretch]:
    """The stretches of a clip with about so many samples each; the whole where it must stay whole.

    parts: so many at least, unless they had less than some whole batches each.

    That is so for a detector or a gate with a memory, for windows of several frames in more than
    one analysis, and for a file in which nothing can be found but by reading all before it.
    """
    has_memory = any(one.detector.is_stateful or one.gate is not None for one in wanted)
    is_odd = len(wanted) > 1 and not all(one.sampling.is_plain for one in wanted)
    if has_memory or is_odd or samples < 1:
        return [Stretch(after_us)]
    finest = min((one.sampling for one in wanted), key=lambda s: (s.every_s, s.frame_step))
    times = source.sample_times_us(finest)
    if after_us is not None:
        times = [t for t in times if t > after_us]
    step = min(samples, max(_WHOLE_BATCHES, -(-len(times) // parts)))
    if step > _WHOLE_BATCHES:
        step = -(-step // _WHOLE_BATCHES) * _WHOLE_BATCHES
    ends = times[step - 1 : -1 : step]
    if ends and len(times) % step and len(times) % step < step // 2:
        ends = ends[:-1]  # the last one takes a short rest with it
    return [Stretch(a, b) for a, b in zip([after_us, *ends], [*ends, None], strict=True)]


def analyse_stretch(
    source: Source,
    wanted: Sequence[Wanted],
    stretch: Stretch,
    folder: Path,
    cancelled: Callable[[], bool] = lambda: False,
) -> PieceResult:
    """Analyse a stretch; what is needed meanwhile is written below `folder`, and removed.

    What ends a source early is in the result, with what was found until then. Raises
    KeyboardInterrupt, with nothing kept, and OSError.
    """
    labels = [list(one.detector.labels) for one in wanted]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        logs = [
            ScoreLogWriter(Path(place, str(i)), {"labels": one}, is_durable=False)
            for i, one in enumerate(labels)
        ]
        ends, broken, is_whole = analyse_into(source, wanted, stretch, logs, cancelled)
        found = [_log_of(log, end) for log, end in zip(logs, ends, strict=True)]
        return PieceResult(found, broken, is_whole)


def analyse_into(
    source: Source,
    wanted: Sequence[Wanted],
    stretch: Stretch,
    logs: Sequence[ScoreLogWriter],
    cancelled: Callable[[], bool] = lambda: False,
    flush_every_s: float = FLUSH_EVERY_S,
) -> tuple[list[LogEnd], tuple[str, str] | None, bool]:
    """The same into logs of the caller's, which are let go of at the end.

    What became of each analysis; class and text of what ended the stretch early; and whether it was
    not cancelled. flush_every_s: how long samples may wait until they are written.
    """
    begun = time.monotonic()
    media = source.media()
    size_px = (media.width_px, media.height_px) if source.changes_size else None
    tasks = [
        AnalysisTask(
            one.detector,
            log,
            one.sampling,
            str(i),
            one.gate,
            after_us=stretch.after_us,
            size_px=size_px,
        )
        for i, (one, log) in enumerate(zip(wanted, logs, strict=True))
    ]
    broken, is_whole = None, True
    try:
        samples = _until(
            source.samples(
                [task.sampling for task in tasks], [task.shown_after_us for task in tasks]
            ),
            stretch.until_us,
        )
        is_whole = run_tasks(samples, tasks, cancelled=cancelled, flush_every_s=flush_every_s)
    except OSError:
        raise
    except Exception as problem:
        broken = (type(problem).__name__, str(problem) or in_words(problem))
    finally:
        for log in logs:
            log.__exit__()
    shared_s = max(0.0, time.monotonic() - begun - sum(t.detect_s for t in tasks)) / len(tasks)
    return [_end_of(task, shared_s) for task in tasks], broken, is_whole


def _until(samples: Iterator[Sample], until_us: int | None) -> Iterator[Sample]:
    for sample in samples:
        if until_us is not None and sample.frame.pts_us > until_us:
            return
        yield sample


def _end_of(task: AnalysisTask, shared_s: float) -> LogEnd:
    failed_calls, first_error = task.failed_calls
    return LogEnd(
        task.progress.samples,
        task.analysed,
        failed_calls,
        first_error,
        None if failed_calls and task.error else task.error,
        task.detect_s + shared_s,
    )


def _log_of(log: ScoreLogWriter, end: LogEnd) -> PieceLog:
    log.compact()
    files = [part.files for part in parts_of(log.folder)]
    samples, detections = (f.read_bytes() for f in files[0]) if files else (b"", b"")
    return PieceLog(samples, detections, **asdict(end))


def error_of(logs: Sequence[PieceLog], analysed_before: int = 0) -> str | None:
    """Why an analysis failed as a whole, from its stretches; None if it did not."""
    if begin := next((one.error for one in logs if one.error), None):
        return begin
    failed = sum(one.failed_calls for one in logs)
    if not failed or analysed_before or any(one.analysed for one in logs):
        return None
    first = next((one.first_error for one in logs if one.first_error), None)
    return f"the detector failed on all {failed} samples: {first}"


def add_to(log: ScoreLogWriter, piece: PieceLog) -> None:
    """Put what was found in the next stretch at the end of a log. Raises OSError."""
    if piece.samples:
        log.add_part(piece.samples, piece.detections)


def end_of(media: Media, last_us: int | None, *, is_whole: bool) -> int:
    """Where what was analysed ends: at the media's end, or at the last sample."""
    if is_whole:
        return media.end_us
    return media.first_pts_us if last_us is None else last_us
