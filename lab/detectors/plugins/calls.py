"""Calls of third-party code: what it prints, and warnings of lost detections."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO

_LOGGERS = ("ultralytics", "yolov5")
_NMS_TIMEOUT = "NMS time limit"
LOST_BOXES = "its non-maximum suppression ran out of time, so boxes may be missing"


@dataclass
class CallReport:
    """What was noticed during a call. nms_timeouts: the warnings, as they were worded."""

    nms_timeouts: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        if _NMS_TIMEOUT in text:
            self.nms_timeouts.append(" ".join(text[text.index(_NMS_TIMEOUT) :].split())[:100])

    @property
    def failure(self) -> str | None:
        """Why the results of this call cannot be used; None if nothing was noticed.

        Ultralytics' and YOLOv5's `non_max_suppression` stop after a time limit, and return the
        rest of the batch without boxes; a warning is all that tells of it.
        """
        if not self.nms_timeouts:
            return None
        return (
            f"{LOST_BOXES} ({self.nms_timeouts[0]}); use a smaller batch_size, or a higher "
            "confidence threshold in the detector itself"
        )


@contextlib.contextmanager
def third_party_call() -> Iterator[CallReport]:
    """What third-party code prints inside goes to standard error, whether by Python or by C.

    Standard output is for results alone. Loggers that hold the stream from before are covered as
    well, for the file descriptor itself is switched.
    """
    report = CallReport()
    with (
        _standard_output_to_error(),
        contextlib.redirect_stdout(_Listening(sys.stderr, report)),
        contextlib.ExitStack() as stack,
    ):
        for name in _LOGGERS:
            stack.enter_context(_listening_to(logging.getLogger(name), report))
        yield report


@contextlib.contextmanager
def _standard_output_to_error() -> Iterator[None]:
    try:
        sys.stdout.flush()
        kept = os.dup(1)
    except (OSError, AttributeError):  # a program without standard output
        yield
        return
    try:
        with contextlib.suppress(OSError):
            os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def _listening_to(logger: logging.Logger, report: CallReport) -> Iterator[None]:
    """Notes the logger's warnings, even where its level would drop them; no more is shown."""
    level = logger.level
    reported_from = logger.getEffectiveLevel()

    def notice(record: logging.LogRecord) -> bool:
        report.note(record.getMessage())
        return record.levelno >= reported_from

    logger.addFilter(notice)
    if reported_from > logging.WARNING:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.removeFilter(notice)
        if reported_from > logging.WARNING and logger.level == logging.WARNING:
            logger.setLevel(level)


class _Listening:
    """A text stream that notes what passes through it."""

    def __init__(self, stream: TextIO, report: CallReport) -> None:
        self._stream, self._report = stream, report

    def write(self, text: str) -> int:
        self._report.note(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        return self._stream.encoding
