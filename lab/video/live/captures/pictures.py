"""Pictures that come one by one, as packets: what is kept of them is what was received."""

from __future__ import annotations

import io
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lab.errors import SourceError
from lab.video.live.capture import Captured, Damaged

if TYPE_CHECKING:
    from av.video.stream import VideoStream

TIME_BASE = Fraction(1, 1_000_000)
MAX_PIXELS = 8192 * 8192
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_SCAN, _END = b"\xff\xda", b"\xff\xd9"


class PictureDecoder:
    """Makes packets and frames of JPEG and PNG files, whose times are microseconds.

    stream: what the packets belong to; another one when the format changes.
    """

    def __init__(self) -> None:
        self.stream: VideoStream | None = None
        self._open = ExitStack()
        self._format = ""
        self._context: Any = None

    def captured(self, data: bytes, ticks: int, camera_time: float | None = None) -> Captured:
        """The picture, or why there is none."""
        try:
            return self._decoded(data, ticks, camera_time)
        except SourceError as error:
            return Captured(damaged=Damaged(ticks, str(error)))

    def close(self) -> None:
        self._open.close()
        self.stream = None

    def _decoded(self, data: bytes, ticks: int, camera_time: float | None) -> Captured:
        import av

        form = format_of(data)
        if form != self._format:
            self._begin(form, data)
        packet = av.Packet(data)
        packet.pts = packet.dts = ticks
        packet.time_base = TIME_BASE
        packet.is_keyframe = True
        try:
            frames = tuple(self._context.decode(packet))
        except (av.FFmpegError, ValueError):
            frames = ()
            self._renew()
        if not frames or frames[0].is_corrupt:
            raise SourceError("the picture is damaged: it cannot be decoded")
        return Captured(packet, frames, camera_time)

    def _begin(self, form: str, data: bytes) -> None:
        import av

        self._open.close()
        self._format = ""
        try:
            container = self._open.enter_context(av.open(io.BytesIO(data), format=f"{form}_pipe"))
            stream = container.streams.video[0]
        except (av.FFmpegError, IndexError, ValueError):
            raise SourceError("the picture is damaged: it cannot be read") from None
        if not stream.codec_context.width:
            raise SourceError("the picture is damaged: it has no size")
        self.stream, self._format = stream, form
        self._renew()

    def _renew(self) -> None:
        import av

        assert self.stream is not None
        self._context = av.CodecContext.create(self.stream.codec_context.name, "r")
        self._context.thread_type = "SLICE"  # frame threads would hold frames back
        self._context.options = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}


def format_of(data: bytes) -> str:
    """`jpeg` or `png`. Raises SourceError for what is neither, or was cut off."""
    if data.startswith(_JPEG):
        if data.rfind(_END) <= data.rfind(_SCAN):
            raise SourceError("the picture is damaged: its end is missing")
        return "jpeg"
    if data.startswith(_PNG):
        return "png"
    kind = "nothing" if not data else "no JPEG and no PNG"
    raise SourceError(f"the picture cannot be read: it holds {kind}")


def is_whole(data: bytes) -> bool:
    """Whether it looks like a picture that was not cut off."""
    try:
        return bool(format_of(data))
    except SourceError:
        return False
