"""Frames of a video file while it arrives: those that `FileSource` gives once it is there.

What can be read in line (MP4 with its index at the beginning, Matroska, WebM) is decoded as far as
it has come. The rest of a file that is there as a whole, and everything that is not as simple, a
damaged frame among it, is left to `FileSource`, which begins after the last frame given here. It
also checks what was given here against the file's own index.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import SourceError, StreamError
from lab.video.container import open_arriving
from lab.video.decoder import picture
from lab.video.hardware import decoding_device
from lab.video.identity import ARRIVING
from lab.video.media import Media, arriving_facts
from lab.video.packet_index import is_hidden
from lab.video.sampling import Sampling, Window, WindowSampler
from lab.video.source import Sample, Source
from lab.video.sources.file import FileSource
from lab.video.streaming_buffer import FFMPEG_OPTIONS, StreamingBuffer
from lab.video.time_grid import to_us

if TYPE_CHECKING:
    import av

_IN_LINE = ("mp4", "matroska", "webm")
_EARLY = Fraction(1, 1000)  # as of the time grid


class OtherFramesError(SourceError):
    """What was given while a file was coming is not what its own index says."""


def arriving_id() -> str:
    """A media_id for as long as the file's own is not known."""
    return f"{ARRIVING}{uuid.uuid4().hex[:12]}"


class StreamedSource(Source):
    """A video file that is still being written.

    buffer: as it arrives; closed by whoever made it. path: where the file lies once it is whole.
    media_id: what it is called until `samples` has ended; after that `media` is that of the file.

    It waits until the first frame is there, for an MP4 with its index at the end until all is.

    Raises SourceError for what is no video, StreamError if it did not come.
    """

    is_growing = True

    def __init__(
        self, buffer: StreamingBuffer, path: str | Path, *, media_id: str | None = None
    ) -> None:
        self.name = Path(path).name
        self.decoded_on = decoding_device()
        self._buffer, self._path = buffer, Path(path)
        self._media_id = media_id or arriving_id()
        self._open = ExitStack()
        self._whole: FileSource | None = None
        self._frames: _InLine | None = None
        try:
            if not buffer.is_complete:
                self._frames = _InLine.of(self._open, buffer, self.name, self.decoded_on)
            if self._frames is None:
                self._wait_for_all()
            self._media = self._known()
        except BaseException:
            self._open.close()
            raise

    def media(self) -> Media:
        """See `lab.video.source.Source`; what is known so far."""
        return self._media

    def samples(
        self, samplings: Sequence[Sampling], after_us: Sequence[int | None] | None = None
    ) -> Iterator[Sample]:
        """See `lab.video.source.Source`. Waits for frames; can be called once.

        Raises StreamError if the file did not come to its end, OtherFramesError if it turned out
        then that other frames should have been given.
        """
        after = list(after_us or [None] * len(samplings))
        given: list[list[Window]] = [[] for _ in samplings]
        last_us: int | None = None
        if self._frames is not None:
            line, self._frames = self._frames, None
            for sample, pts_us in line.samples(samplings, after, given):
                if sample is not None:
                    yield sample
                last_us = pts_us
            self._open.close()
        whole = self._wait_for_all()
        if last_us is not None:
            _check(whole, samplings, given, last_us)
            after = [last_us if one is None else max(one, last_us) for one in after]
        for sample in whole.samples(samplings, after):
            if last_us is None or sample.frame.pts_us > last_us:  # else a window goes back to it
                yield sample
        self._media = whole.media()
        self.is_growing = False

    def sample_count(self, sampling: Sampling) -> int | None:
        """See `lab.video.source.Source`: None until the file is there."""
        return None if self._whole is None else self._whole.sample_count(sampling)

    def settle(self) -> Media | None:
        """The facts of the file if it is there as a whole; None if it is not."""
        if self.is_growing and self._buffer.is_complete:
            self._media = self._wait_for_all().media()
            self.is_growing = False
        return None if self.is_growing else self._media

    def close(self) -> None:
        self._open.close()

    def _wait_for_all(self) -> FileSource:
        if self._whole is None:
            with self._buffer.reader() as reader:
                reader.seek(0, io.SEEK_END)
                reader.seek(0)
                if not reader.read(1):
                    raise SourceError(f"{self.name} is empty (0 bytes); copy or record it again")
            self._whole = FileSource(self._path)
        return self._whole

    def _known(self) -> Media:
        if self._frames is not None:
            return self._frames.facts(self._media_id, self._path)
        assert self._whole is not None
        return replace(self._whole.media(), media_id=self._media_id, size_bytes=0)


class _InLine:
    """Decodes what arrives in line, until something is odd, or all is there."""

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.VideoStream,
        buffer: StreamingBuffer,
    ) -> None:
        self._container, self._stream, self._buffer = container, stream, buffer
        self._time_base: Fraction = stream.time_base or Fraction(1)
        self._codec = stream.codec_context.name
        self._expected: list[int] = []  # times of packets whose frames have not come out
        self._decoded = self._decode()
        self.first: av.VideoFrame | None = next(self._decoded, None)

    @classmethod
    def of(
        cls, stack: ExitStack, buffer: StreamingBuffer, name: str, device: str
    ) -> _InLine | None:
        """None for a file that is better read when it is whole. Raises as `StreamedSource`."""
        with ExitStack() as own:
            reader = own.enter_context(buffer.reader(waits_for_end=False))
            try:
                opened = own.enter_context(open_arriving(reader, name, FFMPEG_OPTIONS, device))
            except StreamError:
                raise
            except SourceError:
                _look_further(buffer, name, device)
                return None
            made = cls(*opened, buffer)
            if made.is_simple():
                stack.enter_context(own.pop_all())
                return made
        return None

    def is_simple(self) -> bool:
        """Whether the time grid can be followed without the whole of the index."""
        names = self._container.format.name.split(",")
        if self.first is None or not any(one in names for one in _IN_LINE):
            return False
        rate, early = self._stream.average_rate, max(_EARLY, self._time_base)
        return not rate or 1 / (2 * Fraction(rate)) >= early

    def facts(self, media_id: str, path: Path) -> Media:
        assert self.first is not None
        shown = picture(self.first, 0, to_us(_ticks(self.first), self._time_base))
        rotation = int(self.first.rotation)
        return arriving_facts(media_id, path, self._container, self._stream, shown, rotation)

    def samples(
        self,
        samplings: Sequence[Sampling],
        after_us: Sequence[int | None],
        given: Sequence[list[Window]],
    ) -> Iterator[tuple[Sample | None, int]]:
        """Every frame's time, with its sample if it is one. given: gets all windows in turn."""
        samplers = [WindowSampler(one, self._time_base, None) for one in samplings]
        index = 0
        frame = self.first
        while frame is not None:
            pts_us = to_us(_ticks(frame), self._time_base)
            windows = [sampler.take(index, _ticks(frame)) for sampler in samplers]
            for window, known in zip(windows, given, strict=True):
                if window is not None:
                    known.append(window)
            due = tuple(
                w if after is None or pts_us > after else None
                for w, after in zip(windows, after_us, strict=True)
            )
            behind = any(r.frame_count > 1 and index % r.frame_step == 0 for r in samplings)
            is_wanted = behind or any(due)
            yield (Sample(picture(frame, index, pts_us), due) if is_wanted else None), pts_us
            if self._buffer.is_complete:
                return  # what is left is read quicker with the file's own index
            index += 1
            frame = next(self._decoded, None)

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Frames that are whole and come in the order that their packets say; else it ends."""
        import av

        last: int | None = None
        context = self._stream.codec_context
        try:
            for packet in self._container.demux(self._stream):
                if not packet.size:
                    return
                if packet.pts is None or packet.is_corrupt:
                    return
                if not packet.is_discard and not is_hidden(self._codec, packet):
                    heappush(self._expected, packet.pts)
                for frame in context.decode(packet):
                    if frame.is_corrupt or frame.pts is None or frame.pts == last:
                        return
                    while last is None and self._expected and self._expected[0] < frame.pts:
                        heappop(self._expected)  # a cut stream: before the first that is shown
                    if not self._expected or heappop(self._expected) != frame.pts:
                        return
                    last = frame.pts
                    yield frame
        except av.FFmpegError:
            return


def _ticks(frame: av.VideoFrame) -> int:
    assert frame.pts is not None  # those without are not given
    return frame.pts


def _look_further(buffer: StreamingBuffer, name: str, device: str) -> None:
    """Some files show what they are only after more than a first look."""
    with (
        buffer.reader(waits_for_end=False) as reader,
        open_arriving(reader, name, {"fflags": "+ignidx"}, device),
    ):
        return


def _check(
    whole: FileSource,
    samplings: Sequence[Sampling],
    given: Sequence[list[Window]],
    last_us: int,
) -> None:
    """Raises OtherFramesError if the file's index says that other frames are samples."""
    index = whole.index
    for sampling, known in zip(samplings, given, strict=True):
        if index.linear is None:
            times = [index.pts_of(i) for i in index.presented]
            windows = sampling.windows(times, index.time_base, whole.frame_ticks)
            windows = [w for w in windows if to_us(times[w[-1]], index.time_base) <= last_us]
        if index.linear is not None or windows != known:
            raise OtherFramesError(
                f"{whole.name} has other frames than it had while it was coming; analyse it again"
            )
