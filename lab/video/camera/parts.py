"""How a long video is decoded: in parts, since to plan all frames of hours at once takes longer
than the pictures last that are ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab.video.camera.schedule import Departure
from lab.video.packet_index import PacketIndex, Target


def parts_of(
    departures: Iterable[Departure], index: PacketIndex, least: int
) -> Iterator[list[Departure]]:
    """Departures of a loop in parts of at least so many, each with a keyframe of its own to begin
    at, so that nothing is decoded twice; in one, where decoding begins only at the beginning.
    """
    can_begin_anew = index.linear is None and index.can_seek
    part: list[Departure] = []
    for one in departures:
        if can_begin_anew and len(part) >= least and begins_behind(one, part[-1], index):
            yield part
            part = []
        part.append(one)
    yield part


def begins_behind(there: Departure, here: Departure, index: PacketIndex) -> bool:
    """Whether the decoding of a frame begins behind another one."""
    position = index.presented[there.frame_index]
    target = Target(there.frame_index, index.pts_of(position), position)
    return index.keyframe_for(target) > index.presented[here.frame_index]
