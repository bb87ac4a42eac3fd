"""A clip, played at its own pace as if it were live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import SettingError, SourceError
from lab.video.container import open_video
from lab.video.live.capture import Capture, Captured
from lab.video.live.pace import Pace
from lab.video.live.pictures import checked_height

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

_LATE_S = 0.5


class FileCapture(Capture):
    """Plays a clip.

    path: of a video file. loop: at its end it begins again at once, and its times go on. position:
    seconds of the clip at which it begins the first time. fps: at most so many frames a second are
    shown, the others passed over.

    Raises SettingError if it is no video that can be played.
    """

    keeps_to_addresses = True

    def __init__(
        self,
        path: str,
        *,
        loop: bool = False,
        position: float = 0.0,
        fps: float | None = None,
        max_height: int | None = None,
    ) -> None:
        if not isinstance(path, str | Path) or not str(path):
            raise SettingError(f"path must be that of a video file, got {path!r:.80}")
        if not isinstance(loop, bool):
            raise SettingError(f"loop must be true or false, got {loop!r:.80}")
        if not _is_number(position) or not 0 <= position < float("inf"):
            raise SettingError(f"position must be seconds, 0 or more, got {position!r:.80}")
        if fps is not None and not (_is_number(fps) and 0 < fps <= 1000):
            raise SettingError(f"fps must be more than 0 and at most 1000, got {fps!r:.80}")
        self._path, self._loop, self._position = path, loop, position
        self.fps, self.max_height = fps, checked_height(max_height)
        self.is_finite = True
        self.is_played_here = True
        self._open = ExitStack()
        self.stream: VideoStream | None = None

    def read(self) -> Iterator[Captured]:
        """See `lab.video.live.capture.Capture`."""
        try:
            container, stream = self._open.enter_context(open_video(self._path))
        except SourceError as error:
            raise SettingError(str(error)) from None
        self.stream = stream
        stream.codec_context.thread_type = "SLICE"
        pace = Pace(_LATE_S)
        from_ticks = self._seek(container, stream)
        has_shown = False
        for packet, frames in self._decoded(container, stream):
            shown = tuple(one for one in frames if one.pts is not None and one.pts >= from_ticks)
            has_shown = has_shown or bool(shown)
            yield Captured(packet)
            for frame in shown:
                yield from pace.wait(float((frame.pts or 0) * self.time_base()))
                yield Captured(None, (frame,))
        if not has_shown:
            raise SettingError(f"{self._path} shows no picture after {self._position:g} s")

    def time_base(self) -> Fraction:
        assert self.stream is not None
        assert self.stream.time_base is not None
        return self.stream.time_base

    def close(self) -> None:
        self._open.close()

    def _seek(self, container: Any, stream: VideoStream) -> int:
        """Go to the last keyframe before `position`; its time in ticks."""
        begin = stream.start_time or 0
        if not self._position:
            return begin
        ticks = begin + round(Fraction(self._position) / self.time_base())
        container.seek(ticks, stream=stream)
        return ticks

    def _decoded(
        self, container: Any, stream: VideoStream
    ) -> Iterator[tuple[av.Packet | None, list[av.VideoFrame]]]:
        """Packets with the frames that they completed, again and again if it is a loop."""
        import av

        shift, begin = 0, stream.start_time or 0
        while True:
            end, count = 0, 0
            for packet in _demuxed(container, stream):
                if packet.pts is None:
                    packet.pts = packet.dts
                if packet.pts is None:
                    continue
                count += 1
                end = max(end, packet.pts + (packet.duration or 1))
                packet.pts += shift
                packet.dts = None if packet.dts is None else packet.dts + shift
                try:
                    yield packet, stream.codec_context.decode(packet)
                except av.FFmpegError:
                    yield packet, []
            yield None, stream.codec_context.decode(None)
            if not self._loop or not count:
                return
            shift += end - begin
            self.loop_index += 1
            container.seek(begin, stream=stream)


def _demuxed(container: Any, stream: VideoStream) -> Iterator[av.Packet]:
    """Up to the end of the file, or to where it breaks off."""
    import av

    try:
        yield from (packet for packet in container.demux(stream) if packet.size)
    except av.FFmpegError:
        return


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
