"""The files of a recorder, or of HLS, as they are written into a folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import SourceError
from lab.video.container import VIDEO_SUFFIXES, open_video
from lab.video.decoder import demuxed
from lab.video.live.capture import Capture, Captured, Damaged
from lab.video.live.captures.file_log import FileLog, FoundFile
from lab.video.live.captures.file_times import NamePattern, zone_of
from lab.video.live.captures.images import check_seconds, nothing_new
from lab.video.live.captures.pictures import TIME_BASE
from lab.video.live.captures.playlist import ListedSegment, listed_segments
from lab.video.live.captures.watched_folder import POLL_S, WatchedFolder, take_announced
from lab.video.live.pictures import checked_height
from lab.video.time_grid import to_us

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

_STEP_US = 1_000
# By how much the time of a segment may miss the end of the one before it, which it then follows.
_INEXACT_US = {"playlist": 100_000, "name": 1_500_000, "file": 3_000_000}


class SegmentsCapture(Capture):
    """Each file of a folder once, in natural order, with all of its frames.

    path: the folder, or a pattern such as `rec/cam1-*.mp4`. A file counts as written when a
    playlist of the folder lists it, a file after it is there, it was announced, or nothing wrote it
    for `settle_s`. It begins when the playlist says (EXT-X-PROGRAM-DATE-TIME), or its name as in
    `time_pattern`, or as much before it was last written as it lasts. timezone: of times that say
    none; this computer's unless given. expect_s: without a new file for so long it counts as down.
    state_folder: where it keeps which files it has read.

    A file that is no video is a failed sample. Raises SettingError.
    """

    keeps_to_addresses = True

    can_wait = True

    def __init__(
        self,
        path: str,
        *,
        time_pattern: str | None = None,
        timezone: str | None = None,
        settle_s: float = 3.0,
        expect_s: float | None = None,
        max_height: int | None = None,
        state_folder: str | None = None,
    ) -> None:
        check_seconds(settle_s=settle_s, expect_s=expect_s)
        self.max_height = checked_height(max_height)
        self._zone = zone_of(timezone)
        self._pattern = None if time_pattern is None else NamePattern(time_pattern, self._zone)
        self._folder = WatchedFolder(path, VIDEO_SUFFIXES, settle_s)
        self._expect_s = expect_s
        self._state = None if state_folder is None else Path(state_folder)
        self.remembers = self._state is not None
        self._resumed: int | None = None
        self._end: int | None = None  # of the last file
        self._open = ExitStack()

    def resume(self, ticks: int) -> None:
        """See `lab.video.live.capture.Capture`."""
        self._resumed = ticks

    def read(self) -> Iterator[Captured]:
        """See `lab.video.live.capture.Capture`."""
        log = FileLog(None if self._state is None else self._state / "segments.jsonl")
        if self._resumed is not None:
            log.resume(self._resumed)
        log.forget_all_but(self._folder.files())
        self._end = log.last_ticks
        announced: set[str] = set()
        came_at = time.monotonic()
        while True:
            files = self._folder.files()
            announced |= set() if self._state is None else take_announced(self._state)
            listed = listed_segments(self._folder.folder, self._zone)
            written = self._folder.are_written(files, announced.union(listed), next_ends=True)
            for file in written:
                if not log.is_done(file):
                    yield from self._whole(file, listed.get(file.name), log)
                    announced.discard(file.name)
                    came_at = time.monotonic()
            yield nothing_new(came_at, self._expect_s, self._folder.folder)
            time.sleep(POLL_S)

    def time_base(self) -> Fraction:
        return TIME_BASE

    def close(self) -> None:
        self._open.close()

    def _whole(
        self, file: FoundFile, listed: ListedSegment | None, log: FileLog
    ) -> Iterator[Captured]:
        """All of a file. What was analysed of it before is decoded again and not given."""
        begun = log.begun_at(file)
        passed = self._resumed if begun is not None or not log.is_kept else None
        try:
            self._open.close()
            container, stream = self._open.enter_context(open_video(file.path))
        except SourceError as error:
            start = self._start(file, listed, 0) if begun is None else begun
            if begun is None:
                log.begin(file, start)
            if passed is None or start > passed:
                yield Captured(damaged=Damaged(start, f"{file.name}: {error}"))
            self._end = start + _STEP_US
        else:
            start = self._start(file, listed, container.duration or 0) if begun is None else begun
            if begun is None:
                log.begin(file, start)
            yield from self._frames(container, stream, start, passed)
        log.finish(file, self._end or start)

    def _frames(
        self, container: InputContainer, stream: VideoStream, start: int, passed: int | None
    ) -> Iterator[Captured]:
        self.stream = stream
        context = stream.codec_context
        context.thread_type = "SLICE"  # as when what is kept is decoded
        end, first = start, stream.start_time
        for packet in demuxed(container, stream):
            if packet is not None:
                ticks = packet.pts if packet.pts is not None else packet.dts
                time_base = packet.time_base
                if ticks is None or time_base is None:
                    continue
                first = ticks if first is None else first
                packet.pts = start + to_us(ticks - first, time_base)
                if packet.dts is not None:
                    packet.dts = start + to_us(packet.dts - first, time_base)
                lasts_us = to_us(packet.duration or 0, time_base)
                packet.time_base = TIME_BASE
                end = max(end, packet.pts + max(_STEP_US, lasts_us))
            frames = _decoded(context, packet)
            wanted = tuple(f for f in frames if passed is None or (f.pts or 0) > passed)
            camera_time = None if not wanted else (wanted[0].pts or 0) / 1e6
            yield Captured(packet, wanted, camera_time, is_drained=packet is None)
        self._end = end

    def _start(self, file: FoundFile, listed: ListedSegment | None, duration_us: int) -> int:
        """Where it begins: at the end of the one before, unless its time says something else."""
        kind, start = "file", None
        if listed is not None and listed.start_us is not None:
            kind, start = "playlist", listed.start_us
        elif self._pattern is not None:
            kind, start = "name", self._pattern.time_us(Path(file.name).name)
        if start is None:
            lasts_us = round(listed.duration_s * 1e6) if listed is not None else 0
            start = file.mtime_ns // 1_000 - (lasts_us or duration_us)
        if self._end is not None and abs(start - self._end) <= _INEXACT_US[kind]:
            return self._end
        return start


def _decoded(context: Any, packet: av.Packet | None) -> tuple[av.VideoFrame, ...]:
    import av

    try:
        frames = tuple(context.decode(packet))
    except av.FFmpegError:
        return ()  # a damaged packet: the next keyframe is whole again
    for frame in frames:
        frame.time_base = TIME_BASE
    return frames
