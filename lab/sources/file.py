"""Frames of a video file, exactly those that the time grid asks for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.container import open_video
from lab.frame import Frame
from lab.grid import Grid, to_us
from lab.rhythm import Picker, Rhythm, Window
from lab.sampler import PacketIndex, Segment, Target, read_index
from lab.source import Shot

if TYPE_CHECKING:
    import av

_RETRIES = (0, 1, 4)  # how many keyframes further back a frame is looked for


class FileSource:
    """A video file.

    Raises SourceError if it is no video that can be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.index: PacketIndex = read_index(path)
        if self.index.linear is None:
            first = self._first_presented()
            if len(first) > 1 and sorted(first) != first:
                self.index.distrust_times()
            elif first:
                self.index.start_at(first[0])

    def __enter__(self) -> FileSource:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def samples(self, every_s: float, after_us: int | None = None) -> Iterator[Frame]:
        """See `lab.source.Source`. Decodes from keyframes where that pays, else in line."""
        if self.index.linear is not None:
            yield from self._in_line(every_s, after_us)
            return
        yield from self._segments(self.index.targets(every_s, after_us))

    def shots(self, rhythms: Sequence[Rhythm], after_us: Sequence[int | None]) -> Iterator[Shot]:
        """See `lab.source.shots`: every frame that an analysis needs, decoded once."""
        if self.index.linear is not None:
            yield from self._shots_in_line(rhythms, after_us)
            return
        times = [self.index.pts_of(i) for i in self.index.shown]
        due: list[dict[int, Window]] = []
        for rhythm, after in zip(rhythms, after_us, strict=True):
            windows = rhythm.windows(times, self.index.time_base)
            if after is not None:
                windows = [w for w in windows if self._us(times[w[-1]]) > after]
            due.append({window[-1]: window for window in windows})
        needed = sorted({i for ends in due for window in ends.values() for i in window})
        for frame in self._segments([Target(i, times[i], self.index.shown[i]) for i in needed]):
            yield Shot(frame, tuple(ends.get(frame.index) for ends in due))

    def frames_by_index(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Frames by their position among those presented, which must rise."""
        if self.index.linear is not None:
            wanted = set(indices)
            for index, pts, frame in self._all_frames():
                if index in wanted:
                    yield picture(frame, index, self._us(pts))
            return
        shown = self.index.shown
        yield from self._segments(
            [Target(i, self.index.pts_of(shown[i]), shown[i]) for i in indices]
        )

    def keyframe_of(self, index: int) -> int:
        """The packet from which this frame is decoded; frames of one are best decoded together."""
        position = self.index.shown[index]
        return self.index.keyframe_for(Target(index, self.index.pts_of(position), position))

    def _us(self, pts: int) -> int:
        return to_us(pts, self.index.time_base)

    def sample_count(self, rhythm: Rhythm) -> int | None:
        """How many calls to expect; None if only decoding can tell."""
        if self.index.linear is not None:
            return None
        times = [self.index.pts_of(i) for i in self.index.shown]
        return len(rhythm.windows(times, self.index.time_base))

    def frame_times_us(self) -> list[int]:
        """The presentation time of every frame, in order; decodes only if packets do not tell."""
        if self.index.linear is not None:
            return [to_us(pts, self.index.time_base) for _, pts, _ in self._all_frames()]
        return [to_us(self.index.pts_of(i), self.index.time_base) for i in self.index.shown]

    def frames_at(self, pts_us: list[int]) -> Iterator[Frame]:
        """The frames presented at these times (or just before), in time order."""
        if self.index.linear is not None:
            yield from self._nearest_in_line(sorted(set(pts_us)))
            return
        times = self.frame_times_us()
        chosen = sorted({max(0, int(np.searchsorted(times, t, side="right")) - 1) for t in pts_us})
        targets = [
            Target(i, self.index.pts_of(self.index.shown[i]), self.index.shown[i]) for i in chosen
        ]
        yield from self._segments(targets)

    def _first_presented(self) -> list[int]:
        """Times of the first frames that a decoder presents: one, or several for an AVI.

        An AVI stores no presentation times; where frames are reordered, FFmpeg's are wrong.
        """
        import av

        times: list[int] = []
        with open_video(self.path) as (container, stream):
            enough = 48 if container.format.name == "avi" else 1
            for packet in container.demux(stream):
                try:
                    for frame in packet.decode():
                        if not frame.is_corrupt and frame.pts is not None:
                            times.append(frame.pts)
                except av.FFmpegError:
                    continue
                if len(times) >= enough:
                    break
        return times

    def _segments(self, targets: list[Target]) -> Iterator[Frame]:
        """The targets in order, each decoded again where it does not appear."""
        with _Decoder(self.path, self.index) as decoder:
            for segment in self.index.plan(targets):
                waiting = deque(segment.targets)
                for frame in decoder.frames(segment):
                    if not waiting or frame.index < waiting[0].index:
                        continue  # damage can bring a frame again, or late
                    while waiting[0].index < frame.index:
                        yield self._again(waiting.popleft())
                    waiting.popleft()
                    yield frame
                for target in waiting:
                    yield self._again(target)

    def _again(self, target: Target) -> Frame:
        """Decode `target` by itself, from further and further back.

        In one thread, for with several an error at one packet can lose the frames of others.
        """
        starts = [self.index.keyframe_for(target, skip) for skip in _RETRIES]
        reached = False
        for start in dict.fromkeys([*starts, 0]):
            if reached and start == 0 and start not in starts:
                break  # decoding began early enough: the frame is damaged
            with _Decoder(self.path, self.index, threads=False) as decoder:
                for frame in decoder.frames(Segment(start, target.position, (target,))):
                    return frame
                reached |= decoder.reached
        pts_us = to_us(target.pts, self.index.time_base)
        return Frame(None, target.index, pts_us, time.time(), "frame could not be decoded")

    def _in_line(self, every_s: float, after_us: int | None) -> Iterator[Frame]:
        """Decode every frame; for files whose packets do not tell the times."""
        grid = Grid(every_s, self.index.time_base)
        last_pts: int | None = None
        for index, pts, frame in self._all_frames():
            if last_pts is not None and pts <= last_pts:
                continue
            last_pts = pts
            pts_us = to_us(pts, self.index.time_base)
            if grid.takes(pts) and (after_us is None or pts_us > after_us):
                yield picture(frame, index, pts_us)

    def _shots_in_line(
        self, rhythms: Sequence[Rhythm], after_us: Sequence[int | None]
    ) -> Iterator[Shot]:
        pickers = [Picker(rhythm, self.index.time_base) for rhythm in rhythms]
        last_pts: int | None = None
        for index, pts, frame in self._all_frames():
            if last_pts is not None and pts <= last_pts:
                continue
            last_pts, pts_us = pts, self._us(pts)
            windows = [picker.take(index, pts) for picker in pickers]
            due = tuple(
                w if after is None or pts_us > after else None
                for w, after in zip(windows, after_us, strict=True)
            )
            # A later window may go back to this frame.
            behind = any(r.frame_count > 1 and index % r.frame_step == 0 for r in rhythms)
            if behind or any(due):
                yield Shot(picture(frame, index, pts_us), due)

    def _nearest_in_line(self, wanted_us: list[int]) -> Iterator[Frame]:
        waiting = deque(wanted_us)
        before = None
        for index, pts, frame in self._all_frames():
            pts_us = to_us(pts, self.index.time_base)
            while waiting and pts_us > waiting[0]:
                waiting.popleft()
                yield picture(*(before or (frame, index, pts_us)))
            before = (frame, index, pts_us)
        if waiting and before:
            yield picture(*before)

    def _all_frames(self) -> Iterator[tuple[int, int, av.VideoFrame]]:
        import av

        index, last_pts = 0, None
        times = self.index.times_in_order
        with open_video(self.path) as (container, stream):
            stream.codec_context.thread_type = "NONE"
            rate = stream.average_rate or Fraction(25)
            step = max(1, round(1 / (rate * self.index.time_base)))
            for packet in _demuxed(container, stream):
                try:
                    frames = stream.codec_context.decode(packet)
                except av.FFmpegError:
                    continue
                for frame in frames:
                    pts = times[index] if index < len(times) else frame.pts
                    if pts is None:
                        pts = 0 if last_pts is None else last_pts + step
                    yield index, pts, frame
                    index, last_pts = index + 1, pts


class _Decoder:
    """An open file that decodes one segment after another. A context manager.

    reached: whether, in the last segment, an intact frame at or before its first target was
        decoded, which shows that decoding began early enough.
    """

    def __init__(self, path: Path, index: PacketIndex, *, threads: bool = True) -> None:
        self._path, self._index, self._threads = path, index, threads
        self._open = ExitStack()
        self._fresh = False
        self.reached = False

    def __enter__(self) -> _Decoder:
        self._reopen()
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def _reopen(self) -> None:
        self._open.close()
        self._container, self._stream = self._open.enter_context(open_video(self._path))
        if not self._threads:
            self._stream.codec_context.thread_type = "NONE"
        self._fresh = True

    def frames(self, segment: Segment) -> Iterator[Frame]:
        """Those of the segment's targets that appear intact, as they appear."""
        import av

        wanted = {target.pts: target for target in segment.targets}
        first_pts = segment.targets[0].pts
        self.reached = segment.start == 0
        for packet in self._packets(segment):
            context = self._stream.codec_context
            # Frames that nothing refers to are skipped, unless they are wanted.
            skip = self._index.can_seek and packet is not None and packet.pts not in wanted
            context.skip_frame = "NONREF" if skip else "DEFAULT"
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                continue
            for frame in frames:
                if frame.is_corrupt or frame.pts is None:
                    continue
                if not self.reached and frame.pts > first_pts:
                    return
                self.reached = True
                if frame.pts in wanted:
                    index = wanted[frame.pts].index
                    yield picture(frame, index, to_us(frame.pts, self._index.time_base))

    def _packets(self, segment: Segment) -> Iterator[av.Packet | None]:
        """The segment's packets, then None to drain; nothing if the seek went too far."""
        position = 0
        if segment.start:
            key = self._index.packets[segment.start]
            dts = key.dts if key.dts is not None else key.pts or 0
            self._container.seek(dts, stream=self._stream)
            position = -1
        elif not self._fresh:
            self._reopen()
        self._fresh = False
        for packet in _demuxed(self._container, self._stream):
            if packet is not None and position < 0:
                position = self._index.position_of(packet.pts, packet.dts)
                if not 0 <= position <= segment.start:
                    return
            if packet is None or position > segment.end:
                break
            if position >= segment.start:
                yield packet
            position += 1
        yield None


def _demuxed(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.Packet | None]:
    """Packets up to the end of the file, or to where it breaks off; then None."""
    import av

    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.FFmpegError:
        pass  # the index has noted where the file breaks off
    yield None


def picture(frame: av.VideoFrame, index: int, pts_us: int) -> Frame:
    """A decoded frame as BGR, upright."""
    image: np.ndarray = frame.to_ndarray(format="bgr24")
    turns = round(frame.rotation / 90) % 4
    if turns:
        image = np.ascontiguousarray(np.rot90(image, turns))
    return Frame(image, index, pts_us, time.time())
