"""The packets of a recording decoded again: the same frames at the same times as live."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.frame import Frame, FrameStamp
from lab.video.live.camera_clock import CameraClock
from lab.video.live.media_clock import Epoch
from lab.video.live.pictures import live_picture
from lab.video.live.recorded_segment import open_segment, segment_packets
from lab.video.live.recording_index import RecordedConnection, read_recording
from lab.video.time_grid import TimeGrid

if TYPE_CHECKING:
    import av

_MICROSECOND = Fraction(1, 1_000_000)


@dataclass(frozen=True)
class _NoFrame:
    """Stands for a frame that could not be decoded. pts: its time, in ticks."""

    pts: int
    reason: str
    is_corrupt: bool = False


@dataclass(frozen=True)
class RecordedFrame:
    """index: its number among all frames. pts_us: media time. wall_time: Unix seconds at which it
    was received, as far as that is known. is_shown: whether the cap on frames a second lets it
    through. is_extra: whether it was a sample when it was not its turn. camera_time: as of `Frame`.
    """

    frame: av.VideoFrame | _NoFrame
    index: int
    pts_us: int
    wall_time: float
    max_height: int | None
    rotation_deg: int
    is_shown: bool
    is_extra: bool = False
    camera_time: float | None = None

    def stamp(self) -> FrameStamp:
        return FrameStamp(self.index, self.pts_us, self.wall_time, camera_time=self.camera_time)

    def picture(self) -> Frame:
        at = (self.index, self.pts_us, self.wall_time)
        if isinstance(self.frame, _NoFrame):
            return Frame(None, *at, self.frame.reason, self.camera_time)
        image = live_picture(self.frame, self.max_height, self.rotation_deg)
        return Frame(image, *at, camera_time=self.camera_time)


def recorded_frames(folder: Path) -> Iterator[RecordedFrame]:
    """Each frame as it was decoded live, in order of media time."""
    pace: dict[float, TimeGrid] = {}
    last_us: int | None = None
    for connection in read_recording(folder):
        grid, clock = None, _RecordedCameraClock(connection.camera_times)
        if connection.fps is not None:
            grid = pace.setdefault(connection.fps, TimeGrid(1 / connection.fps, _MICROSECOND))
        for index, epoch, rotation_deg, frame in _placed(folder, connection):
            pts_us = epoch.media_us_of(frame.pts)
            if connection.until_us is not None and pts_us > connection.until_us:
                break
            if last_us is not None and pts_us <= last_us:
                continue
            last_us = pts_us
            if grid is not None and index:
                grid.takes(0)
            yield RecordedFrame(
                frame,
                index,
                pts_us,
                epoch.wall_time + (pts_us - epoch.media_us) / 1e6,
                connection.max_height,
                rotation_deg,
                grid is None or grid.takes(pts_us),
                pts_us in connection.extra_us,
                clock.at(pts_us, epoch),
            )


class _RecordedCameraClock:
    """The camera's clock of one connection, as it was live. times: as of a connection."""

    def __init__(self, times: Sequence[tuple[int, float]]) -> None:
        self._times, self._clock = deque(times), CameraClock()
        self._epoch: Epoch | None = None

    def at(self, pts_us: int, epoch: Epoch) -> float | None:
        """Unix seconds at the next frame; see `CameraClock.at`."""
        if epoch is not self._epoch:
            self._epoch = epoch
            self._clock.begin()
        while self._times and self._times[0][0] <= pts_us:
            seen_us, camera_time = self._times.popleft()
            if seen_us >= epoch.media_us:  # those of frames that are not kept any more count, too
                self._clock.see(seen_us, camera_time)
        return self._clock.at(pts_us)


def _placed(folder: Path, connection: RecordedConnection) -> Iterator[tuple[int, Epoch, int, Any]]:
    """Number, epoch, rotation and each whole frame.

    An epoch begins with the frame of its number; the first one with that of its time. Where files
    are missing it goes on with the first frame of the next one.
    """
    epochs, current, index = connection.epochs, -1, 0
    awaited = epochs[0].first_ticks if epochs else None
    for frame in _decoded(folder, connection):
        if isinstance(frame, dict):
            awaited, index = frame["ticks"], frame["index"]
            continue
        if frame.is_corrupt or (awaited is not None and frame.pts != awaited):
            continue
        if awaited is not None and current < 0:
            index = max(index, epochs[0].first_index)
        awaited = None
        while current + 1 < len(epochs) and epochs[current + 1].first_index <= index:
            current += 1
        if current >= 0:
            yield index, epochs[current], connection.rotations_deg[current], frame
        index += 1


def _decoded(folder: Path, connection: RecordedConnection) -> Iterator[Any]:
    """All packets through one decoder, as when they came; where it begins anew after files that
    are missing, the `first` of that file before its frames.
    """
    import av

    context: Any = None
    is_broken = False
    yield from _damaged(connection.marks)
    for segment in connection.segments:
        try:
            container = open_segment(folder / segment.name)
        except (av.FFmpegError, OSError):
            context, is_broken = None, True  # gone by retention, or nothing was written yet
            continue
        with container:
            stream = container.streams.video[0]
            if is_broken:
                if segment.first is None:
                    continue
                yield segment.first
                is_broken = False
            if context is not None and segment.is_fresh:
                yield from _frames(context, None)
                context = None
            marks = deque(segment.marks)
            packets = segment_packets(container, stream, segment)
            for number, packet in enumerate(chain(packets, [None])):
                if marks and (packet is None or marks[0]["packets"] <= number):
                    if context is not None:
                        yield from _frames(context, None)
                    context = None
                while marks and (packet is None or marks[0]["packets"] <= number):
                    yield from _damaged([marks.popleft()])
                if packet is not None:
                    context = context or _decoder(stream)
                    yield from _frames(context, packet)
    if context is not None and connection.until_us is not None:  # what came too late is left out
        yield from _frames(context, None)


def _damaged(marks: Iterable[Mapping[str, Any]]) -> Iterator[_NoFrame]:
    yield from (_NoFrame(one["ticks"], one["reason"]) for one in marks if "reason" in one)


def _decoder(stream: Any) -> Any:
    import av

    context = av.CodecContext.create(stream.codec_context.name, "r")
    context.extradata = stream.codec_context.extradata
    context.width, context.height = stream.width, stream.height
    context.thread_type = "SLICE"
    return context


def _frames(context: Any, packet: av.Packet | None) -> Iterator[av.VideoFrame]:
    import av

    try:
        frames = context.decode(packet)
    except av.FFmpegError:
        return
    yield from (frame for frame in frames if frame.pts is not None)
