"""Stretches of time over bins: which part of each lies in which hour, day or hour of the sun."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


@dataclass(frozen=True, eq=False)
class Stretches:
    """Stretches of time, in any order; they may overlap.

    of: int64 (n,), what each is of: a run, or a sighting. begin_us, end_us: int64 (n,), in UTC.
    offset_us: int64 (n,), of the site's clock, which is the same from begin to end. weight:
    float64 (n,), the share of it that counts.
    """

    of: np.ndarray
    begin_us: np.ndarray
    end_us: np.ndarray
    offset_us: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, rows: np.ndarray) -> Stretches:
        return Stretches(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def hours(self) -> np.ndarray:
        return (self.end_us - self.begin_us) * self.weight / HOUR_US

    def between(self, begin_us: np.ndarray | int, end_us: np.ndarray | int) -> Stretches:
        """What of each lies between two times in UTC."""
        begin = np.maximum(self.begin_us, begin_us)
        end = np.minimum(self.end_us, end_us)
        return replace(self, begin_us=begin, end_us=end)[end > begin]

    def split(self, size_us: int, origin_us: int = 0) -> tuple[Stretches, np.ndarray]:
        """Cut at the bins of the site's clock; the pieces, and the number of each one's bin, which
        is 0 where it begins at the origin.
        """
        shift_us = self.offset_us - origin_us
        begin, end = self.begin_us + shift_us, self.end_us + shift_us
        first = begin // size_us
        pieces = np.maximum(1, -(-end // size_us) - first)
        rows = np.repeat(np.arange(len(self)), pieces)
        bins = first[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        cut = self[rows]
        low = bins * size_us - shift_us[rows]
        begin_us = np.maximum(cut.begin_us, low)
        end_us = np.minimum(cut.end_us, low + size_us)
        return replace(cut, begin_us=begin_us, end_us=end_us), bins

    def in_hours(self, begin_h: float, end_h: float) -> Stretches:
        """What of each lies in these hours of the day, by the site's clock; over midnight where
        the first is the later one.
        """
        by_day, day = self.split(DAY_US)
        midnight = day * DAY_US - by_day.offset_us
        low, high = (round(value * HOUR_US) for value in (begin_h, end_h))
        if low <= high:
            return by_day.between(midnight + low, midnight + high)
        return joined(
            [
                by_day.between(midnight, midnight + high),
                by_day.between(midnight + low, midnight + DAY_US),
            ]
        )

    def on_weekdays(self, wanted: set[int]) -> Stretches:
        """What of each lies on these days by the site's clock: 1 is Monday."""
        by_day, day = self.split(DAY_US)
        return by_day[np.isin(weekday_of(day), list(wanted))]


def weekday_of(day: np.ndarray) -> np.ndarray:
    """1 is Monday. day: since 1970-01-01, which was a Thursday."""
    return (day + 3) % 7 + 1


def joined(parts: list[Stretches]) -> Stretches:
    return Stretches(
        *(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Stretches))
    )


def on_clock(
    of: np.ndarray,
    begin_us: np.ndarray,
    end_us: np.ndarray,
    weight: np.ndarray,
    changes: tuple[np.ndarray, np.ndarray],
) -> Stretches:
    """Stretches cut where a clock is changed. changes: as of `lab.charts.clocks.offset_changes`."""
    at, offsets = changes
    first = np.searchsorted(at, begin_us, "right") - 1
    last = np.maximum(first, np.searchsorted(at, end_us, "left") - 1)
    pieces = last - first + 1
    rows = np.repeat(np.arange(len(of)), pieces)
    period = first[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    until = np.append(at[1:], np.iinfo(np.int64).max)
    return Stretches(
        of[rows],
        np.maximum(begin_us[rows], at[period]),
        np.minimum(end_us[rows], until[period]),
        offsets[period],
        weight[rows],
    )
