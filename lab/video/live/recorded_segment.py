"""The packets of one file of a recording, with the times that they had in the stream."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.video.live.recording_index import RecordedSegment
from lab.video.live.tail import SUFFIX, as_in_mp4, read_tail

if TYPE_CHECKING:
    import av


def open_segment(path: Path) -> Any:
    """Raises av.FFmpegError or OSError where it is gone, or nothing was written yet."""
    import av

    return av.open(str(path), options={"ignore_editlist": "1"})


def segment_packets(container: Any, stream: Any, segment: RecordedSegment) -> Iterator[av.Packet]:
    """Those of a file that was opened, with the times that they had in the stream."""
    shifts = iter([*segment.shifts[1:], (None, 0)])
    shift, (following, next_shift) = segment.shifts[0][1], next(shifts)
    for number, packet in enumerate(_with_tail(container, stream, segment.time_base)):
        if number == following:
            shift, (following, next_shift) = next_shift, next(shifts)
        scale = packet.time_base / segment.time_base
        packet.pts = None if packet.pts is None else int(packet.pts * scale) + shift
        packet.dts = None if packet.dts is None else int(packet.dts * scale) + shift
        packet.time_base = segment.time_base
        yield packet


def _with_tail(container: Any, stream: Any, time_base: Fraction) -> Iterator[av.Packet]:
    """The packets of a file, and the one that lies beside it if its writing was cut off."""
    import av

    number = 0
    try:
        for packet in container.demux(stream):
            if packet.size:
                number += 1
                yield packet
    except av.FFmpegError:
        pass  # the process was killed while it wrote a packet
    codec = stream.codec_context
    tail = read_tail(Path(container.name).with_suffix(SUFFIX), number)
    if tail is not None:
        whole = av.Packet(as_in_mp4(bytes(tail), codec.name, codec.extradata))
        whole.pts, whole.dts, whole.is_keyframe = tail.pts, tail.dts, tail.is_keyframe
        whole.time_base = time_base
        yield whole
