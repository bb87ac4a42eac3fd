"""Decoding the requested frames, and only those: seek, verify, retry."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.frame import Frame
from lab.video.container import open_video
from lab.video.packet_index import PacketIndex, Segment
from lab.video.time_grid import to_us

if TYPE_CHECKING:
    import av


class Decoder:
    """An open file that decodes one segment after another. A context manager.

    reached: whether, in the last segment, an intact frame at or before its first target was
        decoded, which shows that decoding began early enough.
    """

    def __init__(
        self, path: Path, index: PacketIndex, *, threads: bool = True, device: str = "cpu"
    ) -> None:
        self._path, self._index, self._threads, self._device = path, index, threads, device
        self._open = ExitStack()
        self._fresh = False
        self.reached = False

    def __enter__(self) -> Decoder:
        self._reopen()
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def _reopen(self) -> None:
        self._open.close()
        self._container, self._stream = self._open.enter_context(
            open_video(self._path, self._device)
        )
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
        for packet in demuxed(self._container, self._stream):
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


def demuxed(
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
    """A decoded frame as BGR, upright; one that the decoder marks as corrupt is a failed frame."""
    if frame.is_corrupt:
        return Frame(None, index, pts_us, time.time(), "frame is damaged: the decoder marks it")
    image: np.ndarray = frame.to_ndarray(format="bgr24")
    turns = round(frame.rotation / 90) % 4
    if turns:
        image = np.ascontiguousarray(np.rot90(image, turns))
    return Frame(image, index, pts_us, time.time())
