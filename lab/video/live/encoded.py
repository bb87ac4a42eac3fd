"""Frames that came as they are, made into packets that can be kept.

What is analysed is what was encoded, so that the recording holds the very same pictures.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING

from lab.video.live.capture import Captured

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

_OPTIONS = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18"}
_KEYFRAME_S = 2


class Encoder:
    """Encodes frames as H.264, without delay, and decodes that. A context manager.

    first: of the frames, for the size. time_base: seconds a tick of their `pts`. rate: frames a
    second, about. stream: what the packets belong to.
    """

    def __init__(self, first: av.VideoFrame, time_base: Fraction, rate: Fraction | None) -> None:
        import av

        self._open = ExitStack()
        container = self._open.enter_context(av.open(io.BytesIO(), "w", format="mp4"))
        fps = max(1, min(240, round(rate or 25)))
        stream = container.add_stream("libx264", rate=fps, options=_OPTIONS)
        stream.width, stream.height = first.width // 2 * 2, first.height // 2 * 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base, context.gop_size = time_base, fps * _KEYFRAME_S
        container.start_encoding()
        self.stream: VideoStream = stream
        self._time_base = time_base
        self._decoder = av.CodecContext.create("h264", "r")
        self._decoder.extradata = context.extradata
        self._decoder.thread_type = "SLICE"

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def fits(self, frame: av.VideoFrame) -> bool:
        """Whether it has the size of the first one."""
        size = frame.width // 2 * 2, frame.height // 2 * 2
        return size == (self.stream.width, self.stream.height)

    def encode(self, frame: av.VideoFrame) -> Iterator[Captured]:
        """A frame with its `pts`, which rises; what comes of it."""
        plain = frame.reformat(self.stream.width, self.stream.height, "yuv420p")
        plain.pts, plain.time_base = frame.pts, self._time_base
        for packet in self.stream.codec_context.encode(plain):
            packet.time_base = self._time_base
            yield Captured(packet, tuple(self._decoder.decode(packet)))
