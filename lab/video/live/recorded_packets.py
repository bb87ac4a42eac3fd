"""The packets of a recording with their media times, without decoding them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import SourceError
from lab.video.live.media_clock import Epoch
from lab.video.live.recorded_segment import open_segment, segment_packets
from lab.video.live.recording_index import RecordedConnection, RecordedSegment, read_recording

if TYPE_CHECKING:
    import av
    import av.container
    from av.video.stream import VideoStream

_JUMP_S = 10  # by which a stream's clock runs ahead where an epoch begins
_MOST_REORDERED = 16  # frames that may be presented before one that came earlier


@dataclass(frozen=True)
class Segment:
    """A file of a recording.

    from_us: the media time at which it begins. until_us: that of the last picture of its
    connection that counts. epoch: the one at its beginning. later_epochs: those that may begin
    within it. max_height, rotation_deg: as of `lab.video.live.pictures.live_picture`.
    """

    path: Path
    kept: RecordedSegment
    from_us: int
    until_us: int | None
    epoch: Epoch
    later_epochs: tuple[Epoch, ...]
    max_height: int | None
    rotation_deg: int


@dataclass(frozen=True)
class PacketTime:
    """pts_us: media time at which its picture is presented, in microseconds."""

    pts_us: int
    is_keyframe: bool


def segments_of(recording: Path) -> list[Segment]:
    """All segments that were noted, in order; their files may be gone. Raises SourceError."""
    found: list[Segment] = []
    for connection in read_recording(recording):
        if connection.epochs:  # else nothing of it was decoded
            _add_segments(found, recording, connection)
    return found


def _add_segments(found: list[Segment], folder: Path, connection: RecordedConnection) -> None:
    epochs, at = connection.epochs, 0
    last_us = found[-1].from_us if found else epochs[0].media_us
    for kept in connection.segments:
        from_us = epochs[at].media_us
        if kept.first is not None:
            while at + 1 < len(epochs) and epochs[at + 1].first_index <= kept.first["index"]:
                at += 1
            from_us = epochs[at].media_us_of(kept.first["ticks"])
        last_us = max(last_us, from_us)
        found.append(
            Segment(
                folder / kept.name,
                kept,
                last_us,
                connection.until_us,
                epochs[at],
                tuple(epochs[at + 1 :]),
                connection.max_height,
                connection.rotations_deg[at],
            )
        )


class SegmentReader:
    """A segment that is open; a context manager. Raises SourceError if it cannot be read."""

    def __init__(self, segment: Segment) -> None:
        import av

        self.segment = segment
        self._open = ExitStack()
        try:
            container = open_segment(segment.path)
            self._container: av.container.InputContainer = self._open.enter_context(container)
            self.stream: VideoStream = container.streams.video[0]
        except (av.FFmpegError, OSError, IndexError):
            self._open.close()
            raise SourceError(
                f"{segment.path.name} of {segment.path.parent} is gone, or nothing is in it yet"
            ) from None

    def __enter__(self) -> SegmentReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def times(self) -> list[PacketTime]:
        """Of all packets that are whole, in the order of decoding; the file is read for it."""
        found = [(packet.pts or 0, packet.is_keyframe) for packet in self.packets()]
        times = _media_times([pts for pts, _ in found], self.segment)
        return [PacketTime(time, is_key) for time, (_, is_key) in zip(times, found, strict=True)]

    def packets(self) -> Iterator[av.Packet]:
        """Those of `times`, with the times of the stream."""
        self._container.seek(0)
        for packet in segment_packets(self._container, self.stream, self.segment.kept):
            if packet.is_corrupt:
                return  # it is being written
            if packet.pts is not None:
                yield packet


def _media_times(ticks: Sequence[int], segment: Segment) -> list[int]:
    """ticks: of presentation, in the order of decoding."""
    epoch, later = segment.epoch, list(segment.later_epochs)
    time_base = segment.kept.time_base
    first_index = None if segment.kept.first is None else segment.kept.first["index"]
    times: list[int] = []
    seen: list[int] = []  # of this epoch
    left: tuple[Epoch, int, int] | None = None  # the one before, its last time, and where it ended
    for place, now in enumerate(ticks):
        if later and now == later[0].first_ticks:
            expected = None if first_index is None else later[0].first_index - first_index
            is_there = expected is not None and abs(place - expected) <= _MOST_REORDERED
            if is_there or _has_jumped(now, seen, time_base):
                early = list(_decoded_early(ticks, place, time_base))
                old = [tick for i, tick in enumerate(ticks[:place]) if i not in early]
                left = (epoch, max(old[-_MOST_REORDERED:]), place) if old else None
                epoch, seen = later.pop(0), []
                for back in early:
                    times[back] = epoch.media_us_of(ticks[back])
        if left is not None and place - left[2] <= _MOST_REORDERED:
            is_late = abs(now - left[1]) < 1 / time_base and now not in ticks[:place]
            if is_late:
                times.append(left[0].media_us_of(now))
                continue
        seen.append(now)
        times.append(epoch.media_us_of(now))
    return times


def _has_jumped(now: int, seen: Sequence[int], time_base: Fraction) -> bool:
    """Whether a time is not just the next of an epoch, or one that B-frames put behind others."""
    recent = list(seen[-2 * _MOST_REORDERED :])
    if now in recent or sum(one > now for one in recent) > _MOST_REORDERED:
        return True
    while recent and 0 < recent[-1] - now < 1 / time_base:
        recent.pop()  # what is presented after it, but was decoded before
    return bool(recent) and now - max(recent) > _JUMP_S / time_base


def _decoded_early(ticks: Sequence[int], at: int, time_base: Fraction) -> Iterator[int]:
    """The places before `at` of packets that are presented after it, within its own epoch."""
    for back in range(at - 1, max(-1, at - _MOST_REORDERED), -1):
        is_near = 0 < ticks[back] - ticks[at] < 1 / time_base
        if not is_near or _has_come_before(ticks[back], ticks[:back]):
            return
        yield back


def _has_come_before(now: int, before: Sequence[int]) -> bool:
    return any(one <= now <= other for one, other in pairwise(sorted(before[-_MOST_REORDERED:])))
