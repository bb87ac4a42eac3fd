"""Stretches of a recording with the same parameters, each of which can be one file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import SourceError
from lab.video.live.recorded_packets import PacketTime, Segment, SegmentReader, segments_of

if TYPE_CHECKING:
    import av

TICK = Fraction(1, 1_000_000)
_AROUND_US = 2_000_000  # by which a segment may begin before its first picture is presented


@dataclass(frozen=True)
class Parameters:
    """What must be the same in all of a file."""

    codec: str
    width_px: int
    height_px: int
    pixels: str | None
    extradata: bytes | None


@dataclass(frozen=True)
class _Part:
    """Of a segment, the packets that belong to a stretch, by their places."""

    segment: Segment
    times: dict[int, int]


@dataclass(frozen=True)
class Stretch:
    """Packets that can be decoded from the first one on, in the order of decoding."""

    parameters: Parameters
    parts: list[_Part]

    def times(self) -> list[int]:
        """Media times in microseconds."""
        return [time for part in self.parts for time in part.times.values()]

    def packets(self) -> Iterator[tuple[av.Packet, int]]:
        """Each with its media time; one segment after the other is read."""
        for part in self.parts:
            with suppress(SourceError), SegmentReader(part.segment) as reader:
                for place, packet in enumerate(reader.packets()):
                    if place in part.times:
                        yield packet, part.times[place]

    def frames(self) -> Iterator[tuple[av.VideoFrame, int]]:
        """Each decoded picture with its media time."""
        import av

        with SegmentReader(self.parts[0].segment) as reader:
            template = reader.stream.codec_context
            context: Any = av.CodecContext.create(template.name, "r")
            context.extradata = template.extradata
            context.width, context.height = template.width, template.height
            context.thread_type = "SLICE"
        for packet in self._to_decode():
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                continue  # damaged: the next keyframe is whole again
            for frame in frames:
                if frame.pts is not None and not frame.is_corrupt:
                    yield frame, frame.pts

    def _to_decode(self) -> Iterator[av.Packet | None]:
        for packet, time_us in self.packets():
            packet.pts = packet.dts = time_us
            packet.time_base = TICK
            yield packet
        yield None


def stretches_of(recording: Path, from_us: int, until_us: int) -> list[Stretch]:
    """What covers these media times, from the keyframe at or before the first one.

    Raises SourceError if the folder is no recording, or holds nothing any more.
    """
    begin_us = keyframe_before(recording, from_us)
    segments = segments_of(recording)
    found: list[Stretch] = []
    for segment in segments[max(0, len(up_to(segments, begin_us)) - 1) :]:
        if segment.from_us > until_us + _AROUND_US:
            break
        with suppress(SourceError), SegmentReader(segment) as reader:
            times = _within(reader.times(), begin_us, _last(segment, until_us))
            parameters = _parameters(reader)
            if not times:
                continue
            if found and found[-1].parameters == parameters:
                found[-1].parts.append(_Part(segment, _media(times)))
            else:
                times = _from_keyframe(times)
                found.append(Stretch(parameters, [_Part(segment, _media(times))]))
    return found


def keyframe_before(recording: Path, pts_us: int) -> int:
    """The media time of the last keyframe at or before a time, in microseconds.

    Where there is none, that of the first one that is kept. Raises SourceError if nothing is.
    """
    segments = segments_of(recording)
    for segment in reversed(up_to(segments, pts_us)):
        keys = [one.pts_us for one in times_of(segment) if one.is_keyframe]
        if before := [time for time in keys if time <= pts_us]:
            return max(before)
    for segment in segments:
        if times := times_of(segment):
            return next((one.pts_us for one in times if one.is_keyframe), times[0].pts_us)
    raise SourceError(f"{recording} holds no pictures (any more)")


def up_to(segments: Sequence[Segment], pts_us: int) -> list[Segment]:
    """Those that begin at or before a media time."""
    return list(segments[: bisect_right([one.from_us for one in segments], pts_us)])


def times_of(segment: Segment) -> list[PacketTime]:
    """Of the packets of a segment that count; none if it is gone."""
    try:
        with SegmentReader(segment) as reader:
            times = reader.times()
    except SourceError:
        return []
    return [one for one in times if segment.until_us is None or one.pts_us <= segment.until_us]


def _last(segment: Segment, until_us: int) -> int:
    return until_us if segment.until_us is None else min(until_us, segment.until_us)


_Placed = list[tuple[int, PacketTime]]


def _within(times: Sequence[PacketTime], begin_us: int, until_us: int) -> _Placed:
    """From the keyframe to the last packet that is needed, each with its place.

    What comes early to be referred to is presented too, and so is all that lies before it.
    """
    start = next((i for i, one in enumerate(times) if one.pts_us == begin_us), 0)
    last = -1
    while needed := [i for i, one in enumerate(times) if i > last and one.pts_us <= until_us]:
        last = needed[-1]
        until_us = max(one.pts_us for one in times[: last + 1])
    placed = list(enumerate(times))[start : last + 1]
    return [(place, one) for place, one in placed if one.pts_us >= begin_us]


def _from_keyframe(times: _Placed) -> _Placed:
    """Without what is presented before the first keyframe, which needs what came earlier."""
    at = next((i for i, (_, one) in enumerate(times) if one.is_keyframe), 0)
    first_us = times[at][1].pts_us
    return [(place, one) for place, one in times[at:] if one.pts_us >= first_us]


def _media(times: _Placed) -> dict[int, int]:
    return {place: one.pts_us for place, one in times}


def _parameters(reader: SegmentReader) -> Parameters:
    context = reader.stream.codec_context
    return Parameters(
        context.name, context.width, context.height, context.pix_fmt, context.extradata
    )
