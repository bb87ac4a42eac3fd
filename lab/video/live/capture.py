"""The contract of a capture: one connection to something live, inside the process that reads it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self

from lab.access.addresses import AddressRules
from lab.errors import SourceError

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream


@dataclass(frozen=True)
class Damaged:
    """A picture that is there and cannot be had. ticks: its time, as a frame's `pts`."""

    ticks: int
    reason: str


@dataclass(frozen=True)
class Captured:
    """What came next: a packet, and the frames that it completed.

    packet: as it was received; None where there are none, or at the end. frames: in the order in
    which they are presented, each with its `pts`. camera_time: Unix seconds by the camera's own
    clock at the first of the frames, where the stream tells it. waiting: why nothing comes now,
    though nothing is wrong; said at least every few seconds, since silence counts as a failure.
    is_down: after a while, this waiting counts as one, too. is_drained: these are the last frames
    of a decoder, and another one comes after it. damaged: a picture that becomes a failed sample.
    """

    packet: av.Packet | None = None
    frames: tuple[av.VideoFrame, ...] = ()
    camera_time: float | None = None
    waiting: str | None = None
    is_down: bool = False
    is_drained: bool = False
    damaged: Damaged | None = None


class Left(SourceError):
    """Whoever sent has gone, in order: the next one is waited for at once."""


class Capture(ABC):
    """One connection; a context manager that closes it.

    It may block for ever: the process that it runs in is ended when it shows no progress. It holds
    no state that a new connection would need.

    stream: what its packets belong to, once `read` has given something; None where it has none.
    is_finite: its end is no failure; known once `read` has given something.
    max_height: pictures that are higher are made smaller, None for never. fps: of more frames a
    second than these the others are passed over, None for none.
    loop_index: how often it has begun again. missed: frames that the other side sent, and that did
    not come.
    is_played_here: its pace is made here, so that its times hold however late a frame comes.
    is_again: an earlier connection gave frames; set before `read`.
    can_wait: it reads from files that stay, so that nothing is skipped: the next frames are read
    when the samples before them were taken. The times of its frames are then Unix microseconds and
    trusted: hours without a frame are hours. remembers: it keeps, over runs, what it has read.
    addresses: where it may connect to. keeps_to_addresses: whether it keeps to that, or connects to
    nothing; the capture of a plugin says so itself.
    """

    stream: VideoStream | None = None
    is_finite: bool = False
    max_height: int | None = None
    fps: float | None = None
    loop_index: int = 0
    missed: int = 0
    can_wait: bool = False
    is_played_here: bool = False
    is_again: bool = False
    remembers: bool = False
    addresses: AddressRules = AddressRules()
    keeps_to_addresses: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def check(self) -> None:  # noqa: B027 (most can tell nothing before they connect)
        """What can be told without connecting. Raises SettingError for what would fail for good."""

    def resume(self, ticks: int) -> None:  # noqa: B027 (a live one goes on with what comes)
        """Before `read`, where `can_wait`: up to which time everything was analysed before."""

    @abstractmethod
    def read(self) -> Iterator[Captured]:
        """Connect, then give what comes until the connection ends.

        Raises SourceError if it cannot be had, or breaks off. Its message holds no password.
        """

    @abstractmethod
    def time_base(self) -> Fraction:
        """Seconds a tick of the frames' `pts`."""

    def close(self) -> None:  # noqa: B027 (some hold nothing)
        """Release what it holds; calling it twice is fine."""


Settings = dict[str, Any]
