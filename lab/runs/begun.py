"""A clip that is opened, and decoded a few frames ahead, before its analysis begins."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

from lab.runs.pipeline import Ahead
from lab.video.hardware import decoding_device
from lab.video.media import Media
from lab.video.registered import open_source
from lab.video.sampling import Sampling
from lab.video.source import Sample, Source


class BegunClip(Source):
    """A source that is opened at once. Raises SourceError.

    samplings: of the analyses that follow; if given, decoding for them begins as well.
    decoded: done when the last frame that `samples` gives has been decoded.
    """

    def __init__(self, path: str | Path, samplings: Sequence[Sampling] = ()) -> None:
        begun = time.monotonic()
        self._path = path
        self._file_was = _file_now(path)  # before it is read: a later change must show
        self._source = open_source(path)
        self.name, self.decoded_on = self._source.name, self._source.decoded_on
        self.is_live = self._source.is_live
        self.decoded: Future[None] = Future()
        self._media: Media | None = None
        self._samplings = list(samplings)
        self._ahead: Ahead | None = None
        if samplings:
            self._media = self._source.media()
            self._ahead = Ahead(self._decode(samplings), is_recorded=not self.is_live).begin()
        self.opening_s = time.monotonic() - begun

    @property
    def is_current(self) -> bool:
        """Whether its file, and what decodes it, are still what was opened."""
        is_same = self._file_was is not None and _file_now(self._path) == self._file_was
        return is_same and self.decoded_on == decoding_device()

    def media(self) -> Media:
        return self._media or self._source.media()

    def samples(
        self, samplings: Sequence[Sampling], after_us: Sequence[int | None] | None = None
    ) -> Iterator[Sample]:
        """An `Ahead` with what is decoded already, where that is what is wanted."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return self._decode(samplings, after_us)
        if list(samplings) == self._samplings and set(after_us or [None]) == {None}:
            return ahead
        ahead.close()
        return self._decode(samplings, after_us)

    def _decode(
        self, samplings: Sequence[Sampling], after_us: Sequence[int | None] | None = None
    ) -> Iterator[Sample]:
        yield from self._source.samples(samplings, after_us)
        if not self.decoded.done():  # for other samplings, before
            self.decoded.set_result(None)

    def sample_count(self, sampling: Sampling) -> int | None:
        return self._source.sample_count(sampling)

    def sample_times_us(self, sampling: Sampling) -> list[int]:
        return self._source.sample_times_us(sampling)

    def reopen(self) -> BegunClip:
        """The file as it is now."""
        return BegunClip(self._path)

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
        self._source.close()


def _file_now(path: str | Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # opening it says so
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
