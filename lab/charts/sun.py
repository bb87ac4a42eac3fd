"""The hour of the sun: 6 is sunrise and 18 sunset, every day of the year.

Time between two of these goes evenly, as in Nouvellet, Rasmussen, Macdonald and Courchamp, Journal
of Zoology 286 (2012) 179. Sunrise and sunset are those of `astral` for the coordinates of the
deployment, rounded to 0.1°, which is less than half a minute in most places.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np

from lab.charts.stretches import DAY_US, Stretches
from lab.errors import LabError
from lab.extras import need

_NO_SUN = -1
_LONGEST_US = DAY_US  # between sunrise and sunset: else it is polar day or night
_EPOCH_DAY = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, eq=False)
class SunCells:
    """A place's time in pieces of a twelfth of its day or night, without gaps.

    edge_us: int64 (n + 1,), in UTC. hour: int64 (n,), 0 to 23, or -1 where the sun does not rise or
    set. day: int64 (n,), since 1970-01-01.
    """

    edge_us: np.ndarray
    hour: np.ndarray
    day: np.ndarray

    def at(self, utc_us: np.ndarray) -> np.ndarray:
        """The cells of times: int64 (n,)."""
        return np.clip(np.searchsorted(self.edge_us, utc_us, "right") - 1, 0, len(self.hour) - 1)

    def split(self, stretches: Stretches) -> tuple[Stretches, np.ndarray]:
        """Cut at the cells; the pieces, and the cell of each."""
        first = self.at(stretches.begin_us)
        last = np.maximum(first, self.at(stretches.end_us - 1))
        pieces = last - first + 1
        rows = np.repeat(np.arange(len(stretches)), pieces)
        begun = np.repeat(np.cumsum(pieces) - pieces, pieces)
        cell = first[rows] + np.arange(len(rows)) - begun
        cut = stretches[rows]
        begin = np.maximum(cut.begin_us, self.edge_us[cell])
        end = np.minimum(cut.end_us, self.edge_us[cell + 1])
        return Stretches(cut.of, begin, end, cut.offset_us, cut.weight), cell


def sun_cells(latitude: float, longitude: float, first_us: int, last_us: int) -> SunCells:
    """Of a place, from before `first_us` to after `last_us`, in UTC.

    latitude, longitude: WGS84, degrees. Raises LabError where astral is not installed.
    """
    need("the hour of the sun", "notebook", "astral", error=LabError)
    days = range(first_us // DAY_US - 2, last_us // DAY_US + 3)
    found = [_events(round(latitude, 1), round(longitude, 1), day) for day in days]
    events = sorted(event for of_day in found for event in of_day)
    outer = [(days[0] * DAY_US, 6), (days[-1] * DAY_US + DAY_US, 6)]
    anchors = [outer[0], *(one for one in events if outer[0][0] < one[0] < outer[1][0]), outer[1]]
    at = np.array([time for time, _ in anchors], np.int64)
    begins_at = np.array([hour for _, hour in anchors], np.int64)
    lengths = np.diff(at)
    alternates = np.diff(begins_at) != 0
    is_known = alternates & (lengths < _LONGEST_US)
    is_known[0] = is_known[-1] = False
    twelfths = np.arange(12)
    edges = (at[:-1, None] + lengths[:, None] * twelfths // 12).ravel()
    hour = (begins_at[:-1, None] + twelfths) % 24
    hour[~is_known] = _NO_SUN
    edge_us = np.append(edges, at[-1])
    east_us = round(longitude / 360 * DAY_US)
    middle = (edge_us[:-1] + edge_us[1:]) // 2
    return SunCells(edge_us, hour.ravel(), (middle + east_us) // DAY_US)


@lru_cache(maxsize=100_000)
def _events(latitude: float, longitude: float, day: int) -> tuple[tuple[int, int], ...]:
    """Sunrise (6) and sunset (18) of a day in UTC, in microseconds; those that there are."""
    from astral import Observer
    from astral.sun import sunrise, sunset

    at, observer = date.fromordinal(_EPOCH_DAY + day), Observer(latitude, longitude)
    found = []
    for hour, event in ((6, sunrise), (18, sunset)):
        try:
            found.append((round(event(observer, date=at).timestamp() * 1e6), hour))
        except ValueError:  # the sun stays above or below the horizon
            continue
    return tuple(found)
