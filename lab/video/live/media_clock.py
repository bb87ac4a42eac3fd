"""The media time of a stream, which goes on over reconnects and over jumps of its own clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Self

from lab.video.time_grid import to_us

_MAX_AHEAD_US = 10_000_000
_MAX_BEHIND_US = 3_000_000
_BEHIND_FOR_US = 10_000_000
_LEAST_STEP_US = 1_000


@dataclass(frozen=True)
class Epoch:
    """A stretch of a stream within which its own times can be trusted.

    first_ticks: of the first frame, in units of time_base seconds. media_us: the media time of
    that frame. wall_time: Unix seconds at which it was received. first_index: its number among all
    frames of the source.
    """

    first_ticks: int
    time_base: Fraction
    media_us: int
    wall_time: float
    first_index: int = 0

    def media_us_of(self, ticks: int) -> int:
        return self.media_us + to_us(ticks - self.first_ticks, self.time_base)

    def ticks_of(self, media_us: int) -> int:
        """The last tick that is not after a media time."""
        return self.first_ticks + int(
            Fraction(media_us - self.media_us, 1_000_000) // self.time_base
        )

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "time_base": str(self.time_base)}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Self:
        return cls(**{**kept, "time_base": Fraction(kept["time_base"])})


class MediaClock:
    """Gives each frame of one connection its media time.

    Within an epoch only the stream's own times count, so that what was recorded gives the same
    times again. A new epoch begins with the connection, and where the stream's clock steps back,
    or runs ahead of the time that passed by more than ten seconds; its first frame is as much
    later than the last one as has passed here meanwhile. One begins, too, where the stream's clock
    has stood still or goes slow: where for ten seconds every frame came more than three seconds
    later than the epoch's first frame and the stream's times say. What the network delayed is
    caught up with sooner than that.

    last_us: the media time at which an earlier connection ended, None for the first one.
    since_us: how long ago that was, by a clock that nobody sets. may_stand: whether the stream's
    clock may stand still; not that of a clip that is played here, on however busy a machine.
    """

    def __init__(
        self, last_us: int | None = None, since_us: int = 0, *, may_stand: bool = True
    ) -> None:
        self._may_stand = may_stand
        self.epoch: Epoch | None = None
        self._last_us = last_us
        self._last_ticks = 0
        self._last_arrival_us = -since_us
        self._began_us = 0  # when the first frame of the epoch arrived
        self._behind: tuple[int, int] | None = None  # since when, and by how much at least

    def place(
        self,
        ticks: int,
        time_base: Fraction,
        arrival_us: int,
        wall_time: float,
        index: int = 0,
    ) -> tuple[int, bool]:
        """The media time of the next frame, in microseconds, and whether an epoch begins with it.

        ticks: its presentation time in units of time_base seconds. arrival_us: microseconds
        since this clock was made, by a clock that nobody sets. index: its number.
        """
        begins = self.epoch is None or self._has_jumped(ticks, time_base, arrival_us)
        if begins:
            passed_us = max(_LEAST_STEP_US, arrival_us - self._last_arrival_us)
            self._begin(ticks, time_base, passed_us, wall_time, index)
        elif self._may_stand and (behind_us := self._stays_behind(ticks, arrival_us)):
            begins = True
            step_us = to_us(ticks - self._last_ticks, time_base)
            self._begin(ticks, time_base, step_us + behind_us, wall_time, index)
        if begins:
            self._began_us, self._behind = arrival_us, None
        assert self.epoch is not None
        self._last_us = self.epoch.media_us_of(ticks)
        self._last_ticks, self._last_arrival_us = ticks, arrival_us
        return self._last_us, begins

    def _begin(
        self, ticks: int, time_base: Fraction, passed_us: int, wall_time: float, index: int
    ) -> None:
        """An epoch whose first frame is so much later than the last one."""
        media_us = 0 if self._last_us is None else self._last_us + passed_us
        self.epoch = Epoch(ticks, time_base, media_us, wall_time, index)

    def _stays_behind(self, ticks: int, arrival_us: int) -> int:
        """By how much every frame of the last seconds came too late, in microseconds; else 0."""
        assert self.epoch is not None
        own_us = self.epoch.media_us_of(ticks) - self.epoch.media_us
        late_us = arrival_us - self._began_us - own_us
        if late_us <= _MAX_BEHIND_US:
            self._behind = None
            return 0
        since_us, least_us = self._behind or (arrival_us, late_us)
        self._behind = since_us, min(least_us, late_us)
        return self._behind[1] if arrival_us - since_us >= _BEHIND_FOR_US else 0

    def _has_jumped(self, ticks: int, time_base: Fraction, arrival_us: int) -> bool:
        assert self.epoch is not None
        if time_base != self.epoch.time_base or ticks <= self._last_ticks:
            return True
        step_us = to_us(ticks - self._last_ticks, time_base)
        return step_us > arrival_us - self._last_arrival_us + _MAX_AHEAD_US


class TrustedClock:
    """As `MediaClock`, for frames whose own times are trusted, however far apart they are.

    They go on over connections; only where they step back, a new epoch begins.

    epoch: that of the frame at `last_us`, if it is known.
    """

    def __init__(self, last_us: int | None = None, epoch: Epoch | None = None) -> None:
        self.epoch: Epoch | None = None
        self._before, self._last_us = epoch, last_us

    @property
    def last_ticks(self) -> int | None:
        """The time, in ticks, up to which everything was placed by earlier connections."""
        if self._before is None or self._last_us is None:
            return None
        return self._before.ticks_of(self._last_us)

    def place(
        self,
        ticks: int,
        time_base: Fraction,
        arrival_us: int,
        wall_time: float,
        index: int = 0,
    ) -> tuple[int, bool]:
        """See `MediaClock.place`."""
        epoch = self.epoch or self._before
        last_us = self._last_us
        media_us = 0 if last_us is None else last_us + _LEAST_STEP_US
        if epoch is not None and epoch.time_base == time_base:
            own_us = epoch.media_us_of(ticks)
            if last_us is None or own_us > last_us:
                media_us = own_us
        begins = self.epoch is None or self.epoch.media_us_of(ticks) != media_us
        if begins:
            self.epoch = Epoch(ticks, time_base, media_us, wall_time, index)
        self._last_us = media_us
        return media_us, begins
