"""The packet index of a file, and the plan of what to decode for the samples.

A file is demuxed once without decoding. From the packets' times the samples are chosen, and
with them the shortest stretches of packets to decode.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from lab.errors import SourceError
from lab.video.container import open_video
from lab.video.time_grid import to_us

# Decoders whose keyframe flag means that decoding can start there, and that can be set to skip
# frames packet by packet. Not GIF (frames build on each other), nor dav1d (it looks ahead).
_SEEKABLE = frozenset(
    {"h264", "hevc", "vp8", "vp9", "mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "msmpeg4v1"}
    | {"msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "h263", "flv", "prores", "dnxhd"}
    | {"ffv1"}
)
# Decoding on costs the frames between; a seek drains the pipeline, which costs about as much.
_SEEK_PAYS_AFTER_PACKETS = 8


@dataclass(frozen=True)
class Packet:
    """A packet in decoding order. pts, dts: ticks. presented: whether its frame is shown."""

    pts: int | None
    dts: int | None
    duration: int
    is_keyframe: bool
    presented: bool


@dataclass(frozen=True)
class Target:
    """A frame to be delivered: its presentation index, ticks, and packet position."""

    index: int
    pts: int
    position: int


@dataclass(frozen=True)
class Segment:
    """Packets `start` to `end` (positions, inclusive) that give `targets`, in time order."""

    start: int
    end: int
    targets: tuple[Target, ...]


class PacketIndex:
    """What a file's packets say, without decoding them.

    packets: in decoding order. presented: positions of those that are presented, in time order.
    linear: why times cannot be trusted and every frame has to be decoded, or None.
    broken: the message of a demuxing error that ended the file early, or None.
    has_losses: whether parts of packets are missing, as where a transport stream lost some.
    """

    def __init__(
        self,
        packets: list[Packet],
        time_base: Fraction,
        codec: str,
        broken: str | None,
        has_losses: bool = False,
    ) -> None:
        self.packets = packets
        self.time_base = time_base
        self.codec = codec
        self.broken = broken
        self.has_losses = has_losses
        self.linear = self._why_linear()
        # Without trusted times the order stays that of the file.
        presented = [i for i, p in enumerate(packets) if p.presented]
        if self.linear is None:
            presented.sort(key=lambda i: (packets[i].pts, i))
        self.presented = presented
        self._keys = [i for i, p in enumerate(packets) if p.is_keyframe]
        self._positions = {(p.pts, p.dts): i for i, p in reversed(list(enumerate(packets)))}

    def _why_linear(self) -> str | None:
        times = [p.pts for p in self.packets if p.presented]
        if any(pts is None for pts in times):
            return "packets without a presentation time"
        if len(set(times)) < len(times):
            return "times that repeat"
        return None

    @property
    def can_seek(self) -> bool:
        return self.linear is None and self.codec in _SEEKABLE

    def position_of(self, pts: int | None, dts: int | None) -> int:
        """Where a packet with these times stands; -1 if it is not known."""
        return self._positions.get((pts, dts), -1)

    def distrust_times(self) -> None:
        """The times are those of decoding: only decoding in line tells which frame is when."""
        self.linear = "times of decoding, not of presentation"
        self.presented = [i for i, p in enumerate(self.packets) if p.presented]

    @property
    def times_in_order(self) -> list[int]:
        """Where frames come in line and every packet has a time of its own: the times sorted."""
        times = [p.pts for p in self.packets if p.presented and p.pts is not None]
        return sorted(times) if len(set(times)) == len(self.presented) else []

    def start_at(self, first_pts: int) -> None:
        """Forget packets before the first frame that a decoder presents (a cut stream)."""
        self.presented = [i for i in self.presented if self.pts_of(i) >= first_pts]

    def pts_of(self, position: int) -> int:
        pts = self.packets[position].pts
        assert pts is not None
        return pts

    @property
    def last_us(self) -> int:
        """Where the last frame ends, in microseconds."""
        if not self.presented or self.linear is not None:
            return 0
        last = self.packets[self.presented[-1]]
        duration = last.duration or self.typical_ticks
        return to_us(self.pts_of(self.presented[-1]) + duration, self.time_base)

    @property
    def typical_ticks(self) -> int:
        """The median distance of frames, in ticks; 0 for a single frame."""
        times = [self.pts_of(i) for i in self.presented]
        steps = sorted(b - a for a, b in pairwise(times))
        return steps[len(steps) // 2] if steps else 0

    @property
    def is_variable(self) -> bool:
        """Whether the frame rate varies by more than rounding to ticks explains."""
        if self.linear is not None:
            return False
        times = [self.pts_of(i) for i in self.presented]
        steps = {b - a for a, b in pairwise(times)}
        return bool(steps) and (max(steps) - min(steps)) * self.time_base > max(
            Fraction(2, 1000), 2 * self.time_base
        )

    def keyframe_for(self, target: Target, skip: int = 0) -> int:
        """The last keyframe from which `target` can be decoded, or one `skip` further back."""
        # From the target backwards: the first one nearly always serves.
        for i in range(bisect_right(self._keys, target.position) - 1, -1, -1):
            if self.pts_of(self._keys[i]) <= target.pts:
                if not skip:
                    return self._keys[i]
                skip -= 1
        return 0

    def plan(self, targets: list[Target]) -> list[Segment]:
        """The stretches to decode for `targets`, each from a keyframe where that pays."""
        stretches: list[tuple[int, list[Target]]] = []
        end = 0
        for target in targets:
            start = self.keyframe_for(target) if self.can_seek else 0
            if stretches and start <= end + _SEEK_PAYS_AFTER_PACKETS:
                stretches[-1][1].append(target)
                end = max(end, target.position)
            else:
                stretches.append((start, [target]))
                end = target.position
        return [
            Segment(start, max(target.position for target in inside), tuple(inside))
            for start, inside in stretches
        ]


def read_index(path: str | Path) -> PacketIndex:
    """Demux a file once. Raises SourceError if it holds no video that can be read."""
    import av

    packets: list[Packet] = []
    broken, has_losses = None, False
    with open_video(path) as (container, stream):
        codec = stream.codec_context.name
        try:
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                has_losses |= packet.is_corrupt
                packets.append(
                    Packet(
                        packet.pts,
                        packet.dts,
                        packet.duration or 0,
                        packet.is_keyframe,
                        not packet.is_discard and not is_hidden(codec, packet),
                    )
                )
        except av.FFmpegError as error:
            broken = str(error)
        time_base = stream.time_base
    if not packets or time_base is None:
        raise SourceError(f"{path} has a video stream without a single frame; copy it again")
    return PacketIndex(packets, time_base, codec, broken, has_losses)


def is_hidden(codec: str, packet: Any) -> bool:
    """A VP8 or VP9 packet that only updates references (RFC 6386 9.1; VP9 bitstream 6.2)."""
    if codec not in ("vp8", "vp9"):
        return False
    data = bytes(memoryview(packet)[:1])
    if codec == "vp8":
        return not data[0] & 0x10
    tail = bytes(memoryview(packet)[-1:])
    if tail[0] & 0xE0 == 0xC0:  # a superframe, which ends in a frame that is shown
        return False
    bits = data[0]
    profile = (bits >> 5 & 1) | (bits >> 4 & 1) << 1
    shift = 3 if profile < 3 else 2
    show_existing = bits >> shift & 1
    show_frame = bits >> (shift - 2) & 1 if shift >= 2 else 1
    return not show_existing and not show_frame
