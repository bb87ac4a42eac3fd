"""Where the segments of a recording lie in its media time, for whoever plays them one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import SourceError
from lab.frame import Frame
from lab.video.live.media_clock import Epoch
from lab.video.live.pictures import live_picture
from lab.video.live.recording_index import INDEX, RecordedSegment, read_recording

if TYPE_CHECKING:
    import av
    import av.container

_NEAR_US = 1_000
_LEAD_S = 2  # of `Recorder`, before its first packet


@dataclass(frozen=True)
class PlacedSegment:
    """A file of a recording.

    offset_s: what is added to its own times to have media time. start_s: when its first packet was
    decoded, in media time; pictures may be presented a little later. until_s: the media time from
    which another epoch counts, so that its times do not hold any more; None for the last one.
    """

    name: str
    offset_s: float
    start_s: float
    until_s: float | None


def placed_segments(folder: Path) -> list[PlacedSegment]:
    """In order of media time. Raises SourceError if the folder holds no recording."""
    connections = read_recording(folder)
    if not connections:
        raise SourceError(f"{folder} holds no recording: {INDEX} is empty")
    begins = [epoch.media_us / 1e6 for one in connections for epoch in one.epochs]
    placed: list[tuple[str, float, float, float]] = []
    for connection in connections:
        segments = connection.segments if connection.epochs else []
        for segment, following in zip_longest(segments, segments[1:]):
            if following is not None and not following.epochs_before:
                continue  # nothing of it was decoded
            # An epoch that begins within a segment has no place in the browser.
            epoch = connection.epochs[max(0, segment.epochs_before - 1)]
            placed.append((segment.name, *_place(segment, epoch), epoch.media_us / 1e6))
    return [
        PlacedSegment(
            name, offset_s, start_s, min((s for s in begins if s > first_s), default=None)
        )
        for name, offset_s, start_s, first_s in placed
    ]


def recorded_pictures(folder: Path, pts_us: Iterable[int]) -> Iterator[Frame]:
    """The frames presented at these media times, or last before them, in time order.

    A time whose segment is gone has none. Raises SourceError if the folder holds no recording.
    """
    segments = placed_segments(folder)
    wanted = sorted(pts_us)
    for i, segment in enumerate(segments):
        end_us = segments[i + 1].start_s * 1e6 if i + 1 < len(segments) else float("inf")
        own = [t for t in wanted if segment.start_s * 1e6 <= t < end_us]
        if own and (folder / segment.name).is_file():
            yield from _pictures_of(folder / segment.name, segment.offset_s, own)


def browser_type(file: Path) -> tuple[str | None, str]:
    """The type by which a browser knows whether it can play a segment, and the codec's name.

    The type is None for a codec that browsers do not play in pieces. Raises SourceError.
    """
    import av

    try:
        with av.open(str(file), metadata_errors="replace") as container:
            context = container.streams.video[0].codec_context
            name, extra = context.name, bytes(context.extradata or b"")
    except (av.FFmpegError, OSError, IndexError) as error:
        raise SourceError(f"{file.name} cannot be read: {error}") from None
    if name == "h264" and len(extra) > 3 and extra[0] == 1:
        return f'video/mp4; codecs="avc1.{extra[1:4].hex()}"', name
    return None, name


def _pictures_of(file: Path, offset_s: float, wanted_us: list[int]) -> Iterator[Frame]:
    """Decoded in line, from the keyframe before the first of them."""
    import av

    with suppress(av.FFmpegError, OSError), av.open(str(file), metadata_errors="replace") as found:
        before: tuple[int, av.VideoFrame] | None = None
        wanted = list(wanted_us)
        for number, frame in enumerate(_frames_from(found, wanted_us[0] / 1e6 - offset_s)):
            at_us = round(((frame.time or 0.0) + offset_s) * 1e6)
            while wanted and at_us > wanted[0] + _NEAR_US:
                yield _picture(*(before or (at_us, frame)), number)
                wanted.pop(0)
            if not wanted:
                return
            before = (at_us, frame)
        if before is not None:
            yield _picture(*before, 0)


def _frames_from(container: av.container.InputContainer, time_s: float) -> Iterator[av.VideoFrame]:
    """From the keyframe at or before a time of the file on; from the first where that is later.

    FFmpeg adds to the time of a seek by how much the first packet of such a file is above 0.
    """
    import av

    stream = container.streams.video[0]
    assert stream.time_base is not None
    for back_s in (_LEAD_S, 2 * _LEAD_S):
        with suppress(av.FFmpegError):
            container.seek(int(max(0.0, time_s - back_s) / stream.time_base), stream=stream)
        frames = container.decode(stream)
        first = next(frames, None)
        if first is not None and (first.time or 0.0) <= time_s + _NEAR_US / 1e6:
            break
    else:
        container.seek(0)
        frames = container.decode(stream)
        first = next(frames, None)
    if first is not None:
        yield first
        yield from frames


def _picture(pts_us: int, frame: av.VideoFrame, index: int) -> Frame:
    return Frame(live_picture(frame, None, frame.rotation), index, pts_us, 0.0)


def _place(segment: RecordedSegment, epoch: Epoch) -> tuple[float, float]:
    shift_us = epoch.media_us_of(segment.shifts[0][1])
    lead_s = int(_LEAD_S / segment.time_base) * float(segment.time_base)
    return shift_us / 1e6, shift_us / 1e6 + lead_s
