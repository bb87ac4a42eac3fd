"""Frames of a video file, exactly those that the time grid asks for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.frame import Frame
from lab.video.container import open_video
from lab.video.packet_index import PacketIndex, Segment, Target, read_index
from lab.video.sampling import Sampling, Window, WindowSampler
from lab.video.source import Sample, Source
from lab.video.time_grid import to_us

if TYPE_CHECKING:
    import av
from lab.video.decoder import Decoder, demuxed, picture
from lab.video.hardware import decoding_device
from lab.video.media import Media, read_facts

_LONG_S = 86_400  # a grid of which the first frame alone is a sample
_RETRIES = (0, 1, 4)  # how many keyframes further back a frame is looked for


class FileSource(Source):
    """A video file.

    Raises SourceError if it is not a video that can be read.
    """

    can_seek = True

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self.decoded_on = decoding_device()
        self.index: PacketIndex = read_index(path)
        if self.index.linear is None:
            first = self._first_presented()
            if len(first) > 1 and sorted(first) != first:
                self.index.distrust_times()
            elif first:
                self.index.start_at(first[0])

    @cached_property
    def frame_ticks(self) -> Fraction | None:
        """The usual distance of frames in ticks; None if it is not known."""
        times = self._times() if self.index.linear is None else self.index.times_in_order
        if steps := sorted(b - a for a, b in pairwise(times)):
            return Fraction(steps[len(steps) // 2])
        with open_video(self.path) as (_, stream):
            rate = stream.average_rate
        return 1 / (rate * self.index.time_base) if rate else None

    def media(self) -> Media:
        """See `lab.video.source.Source`. One frame is decoded."""
        return read_facts(self.path, self.index, next(self.frames(_LONG_S), None))

    def reopen(self) -> FileSource:
        """The file as it is now."""
        return FileSource(self.path)

    def samples(
        self, samplings: Sequence[Sampling], after_us: Sequence[int | None] | None = None
    ) -> Iterator[Sample]:
        """See `lab.video.source.Source`. Decodes from keyframes where that pays, else in line."""
        after = after_us or [None] * len(samplings)
        if self.index.linear is not None:
            yield from self._samples_in_line(samplings, after)
            return
        times = self._times()
        due: list[dict[int, Window]] = []
        for sampling, served_us in zip(samplings, after, strict=True):
            windows = sampling.windows(times, self.index.time_base, self.frame_ticks)
            if served_us is not None:
                windows = [w for w in windows if self._us(times[w[-1]]) > served_us]
            due.append({window[-1]: window for window in windows})
        needed = sorted({i for ends in due for window in ends.values() for i in window})
        for frame in self._segments([Target(i, times[i], self.index.presented[i]) for i in needed]):
            yield Sample(frame, tuple(ends.get(frame.index) for ends in due))

    def frames_by_index(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Frames by their position among those presented, which must rise."""
        if self.index.linear is not None:
            wanted = set(indices)
            for index, pts, frame in self._all_frames():
                if index in wanted:
                    yield picture(frame, index, self._us(pts))
            return
        presented = self.index.presented
        yield from self._segments(
            [Target(i, self.index.pts_of(presented[i]), presented[i]) for i in indices]
        )

    def stretches(self, indices: Sequence[int], max_frames: int) -> list[list[int]]:
        """See `lab.video.source.Source`: frames that are decoded from one keyframe."""
        if not self.index.can_seek:
            return [list(indices)] if indices else []
        found: list[list[int]] = []
        last_key = None
        for index in indices:
            position = self.index.presented[index]
            key = self.index.keyframe_for(Target(index, self.index.pts_of(position), position))
            if not found or key != last_key or len(found[-1]) >= max_frames:
                found.append([])
            found[-1].append(index)
            last_key = key
        return found

    def _us(self, pts: int) -> int:
        return to_us(pts, self.index.time_base)

    def _times(self) -> list[int]:
        """The ticks of every frame that is presented, in order."""
        return [self.index.pts_of(i) for i in self.index.presented]

    def sample_count(self, sampling: Sampling) -> int | None:
        """See `lab.video.source.Source`: None if only decoding can tell."""
        if self.index.linear is not None:
            return None
        return len(sampling.windows(self._times(), self.index.time_base, self.frame_ticks))

    def sample_times_us(self, sampling: Sampling) -> list[int]:
        """See `lab.video.source.Source`: none where decoding is in line, or packets were lost."""
        if self.index.linear is not None or not self.index.can_seek or self.index.has_losses:
            return []
        times = self._times()
        windows = sampling.windows(times, self.index.time_base, self.frame_ticks)
        return [self._us(times[window[-1]]) for window in windows]

    def frame_times_us(self) -> list[int]:
        """The presentation time of every frame, in order; decodes only if packets do not tell."""
        if self.index.linear is not None:
            return [to_us(pts, self.index.time_base) for _, pts, _ in self._all_frames()]
        return [to_us(self.index.pts_of(i), self.index.time_base) for i in self.index.presented]

    def frames_at(self, pts_us: Sequence[int]) -> Iterator[Frame]:
        """The frames presented at these times (or just before), in time order."""
        if self.index.linear is not None:
            yield from self._nearest_in_line(sorted(set(pts_us)))
            return
        times = self.frame_times_us()
        chosen = sorted({max(0, int(np.searchsorted(times, t, side="right")) - 1) for t in pts_us})
        targets = [
            Target(i, self.index.pts_of(self.index.presented[i]), self.index.presented[i])
            for i in chosen
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
            stream.codec_context.thread_type = "NONE"  # several would decode on behind the first
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
        # With several threads, which damaged frames are marked as such depends on their race.
        with self._decoder(threads=not self.index.has_losses) as decoder:
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

    def _decoder(self, *, threads: bool) -> Decoder:
        return Decoder(self.path, self.index, threads=threads, device=self.decoded_on)

    def _again(self, target: Target) -> Frame:
        """Decode `target` by itself, from further and further back.

        In one thread, since with several an error at one packet can lose the frames of others.
        """
        starts = [self.index.keyframe_for(target, skip) for skip in _RETRIES]
        reached = False
        for start in dict.fromkeys([*starts, 0]):
            if reached and start == 0 and start not in starts:
                break  # decoding began early enough: the frame is damaged
            with self._decoder(threads=False) as decoder:
                for frame in decoder.frames(Segment(start, target.position, (target,))):
                    return frame
                reached |= decoder.reached
        pts_us = to_us(target.pts, self.index.time_base)
        return Frame(None, target.index, pts_us, time.time(), "frame could not be decoded")

    def _samples_in_line(
        self, samplings: Sequence[Sampling], after_us: Sequence[int | None]
    ) -> Iterator[Sample]:
        """Decode every frame, for files whose packets do not give the times."""
        samplers = [
            WindowSampler(sampling, self.index.time_base, self.frame_ticks)
            for sampling in samplings
        ]
        last_pts: int | None = None
        for index, pts, frame in self._all_frames():
            if last_pts is not None and pts <= last_pts:
                continue
            last_pts, pts_us = pts, self._us(pts)
            windows = [sampler.take(index, pts) for sampler in samplers]
            due = tuple(
                w if after is None or pts_us > after else None
                for w, after in zip(windows, after_us, strict=True)
            )
            # A later window may go back to this frame.
            behind = any(r.frame_count > 1 and index % r.frame_step == 0 for r in samplings)
            if behind or any(due):
                yield Sample(picture(frame, index, pts_us), due)

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
        with open_video(self.path, self.decoded_on) as (container, stream):
            stream.codec_context.thread_type = "NONE"
            rate = stream.average_rate or Fraction(25)
            step = max(1, round(1 / (rate * self.index.time_base)))
            for packet in demuxed(container, stream):
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
