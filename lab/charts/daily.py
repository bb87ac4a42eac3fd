"""Activity over the day, by the clock and by the sun, and over the week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import numpy as np
import pandas as pd

from lab.charts.chart import (
    PER_HOUR,
    Chart,
    add_points,
    fit,
    mark_gaps,
    new_figure,
    rate_columns,
    rate_words,
    runs_of,
    say_nothing,
)
from lab.charts.data import ChartData, chart_data
from lab.charts.intervals import clustered_rates
from lab.charts.over_time import NOTHING
from lab.charts.stretches import DAY_US, HOUR_US, weekday_of
from lab.charts.sun import sun_cells
from lab.counted import counted
from lab.store.sightings import SightingFilter

Groups = Literal["day", "site"]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_IDS = 100  # of sightings that a click chooses one by one: an address holds no more


def activity(
    given: Any = None, *, groups: Groups = "day", **wanted: Unpack[SightingFilter]
) -> Chart:
    """Sightings an analysed hour in each hour of the day, by the clock of each site.

    given: what `read_chart_data` gives, a store, or its folder. groups: what is resampled for the
    limits, for sightings come in bouts: days, or sites, which says how sure one is of other sites.
    Percentile bootstrap, expanded for few groups (Hesterberg, The American Statistician 69 (2015)
    371), and never narrower than exact ones for counts (Garwood, Biometrika 28 (1936) 437).
    """
    data = chart_data(given, wanted)
    pieces, hour = data.pieces(HOUR_US)
    seen = np.flatnonzero(data.is_placed)
    at = data.local_us[seen] // HOUR_US
    counted_in = _Grouped(
        data,
        piece=_Places(pieces.of, hour // 24, hour % 24, pieces.hours),
        seen=_Places(data.run[seen], at // 24, at % 24, np.ones(len(seen))),
        label=data.label[seen],
    )
    table = counted_in.table(groups, 24)
    table.insert(1, "hour", table.pop("bin"))
    figure = new_figure("hour of the day, by the clock of the site", PER_HOUR)
    figure.update_xaxes(dtick=3, range=[-0.6, 23.6], zeroline=False)
    _draw(figure, data, table, "hour", [f"{h:02d}:00 to {h + 1:02d}:00" for h in range(24)])

    def part(row: int) -> SightingFilter:
        begin = int(table["hour"].iloc[row])
        return {"label": table["label"].iloc[row], "hours": (float(begin), float(begin + 1))}

    notes = (*data.placed_notes, *data.notes)
    return Chart("activity", "Activity by hour of the day", figure, table, notes, part)


def sun_activity(
    given: Any = None, *, groups: Groups = "day", **wanted: Unpack[SightingFilter]
) -> Chart:
    """As `activity`, in hours of the sun: 6 is sunrise, 18 is sunset, see `lab.charts.sun`.

    Clips of which no coordinates are known, and times in which the sun does not rise or set, are
    left out, with their effort.
    """
    data = chart_data(given, wanted)
    piece, seen, rows = _by_sun(data)
    counted_in = _Grouped(data, piece=piece, seen=seen, label=data.label[rows])
    table = counted_in.table(groups, 24)
    table.insert(1, "sun_hour", table.pop("bin"))
    figure = new_figure("hour of the sun", PER_HOUR)
    ticks = {0: "midnight", 3: "", 6: "sunrise", 9: "", 12: "noon", 15: "", 18: "sunset", 21: ""}
    # A bar stands for the hour that begins with it.
    figure.update_xaxes(
        tickvals=[hour - 0.5 for hour in ticks], ticktext=list(ticks.values()),
        range=[-0.6, 23.6], zeroline=False,
    )  # fmt: skip
    nothing = "no clip has both a known start and the coordinates of its place"
    _draw(figure, data, table, "sun_hour", [_sun_words(hour) for hour in range(24)], nothing)

    def part(row: int) -> SightingFilter:
        label = data.labels.index(table["label"].iloc[row])
        chosen = rows[(seen.bin == table["sun_hour"].iloc[row]) & (data.label[rows] == label)]
        return {"sighting_id": data.ids(chosen[:MOST_IDS])}

    notes = (*_sun_notes(data, len(rows)), *data.placed_notes, *data.notes)
    return Chart("sun", "Activity by the sun", figure, table, notes, part)


def weekdays(given: Any = None, **wanted: Unpack[SightingFilter]) -> Chart:
    """As `activity`, for the days of the week; weeks are resampled."""
    data = chart_data(given, wanted)
    pieces, day = data.pieces(DAY_US)
    seen = np.flatnonzero(data.is_placed)
    at = data.local_us[seen] // DAY_US
    counted_in = _Grouped(
        data,
        piece=_Places(pieces.of, (day + 3) // 7, weekday_of(day) - 1, pieces.hours),
        seen=_Places(data.run[seen], (at + 3) // 7, weekday_of(at) - 1, np.ones(len(seen))),
        label=data.label[seen],
    )
    table = counted_in.table("day", 7)
    number = table.pop("bin")
    table.insert(1, "weekday", [WEEKDAYS[i] for i in number])
    figure = new_figure("", PER_HOUR)
    figure.update_xaxes(tickvals=list(range(7)), ticktext=WEEKDAYS, range=[-0.6, 6.6])
    _draw(figure, data, table.assign(at=number), "at", list(WEEKDAYS))

    def part(row: int) -> SightingFilter:
        return {"label": table["label"].iloc[row], "weekday": [int(number.iloc[row]) + 1]}

    notes = (*data.placed_notes, *data.notes)
    return Chart("weekdays", "Sightings by weekday", figure, table, notes, part)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where stretches of effort, or sightings, belong: int64 (n,) each; weight float64 (n,)."""

    run: np.ndarray
    group: np.ndarray
    bin: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, eq=False)
class _Grouped:
    data: ChartData
    piece: _Places
    seen: _Places
    label: np.ndarray

    def table(self, groups: Groups, bins: int) -> pd.DataFrame:
        """A row for each label and bin with effort."""
        nothing = np.zeros(0)
        columns = rate_columns(nothing, nothing, (nothing, nothing))
        tables = [pd.DataFrame({"label": [], "bin": nothing.astype(np.int64), **columns})]
        for number, label in enumerate(self.data.labels):
            counts, hours = self.matrices(number, groups, bins)
            columns = rate_columns(counts.sum(0), hours.sum(0), clustered_rates(counts, hours))
            tables.append(pd.DataFrame({"label": label, "bin": np.arange(bins), **columns}))
        found = pd.concat(tables[1:] or tables, ignore_index=True)
        return found[(found["analysed_h"] > 0) | (found["sightings"] > 0)].reset_index(drop=True)

    def matrices(self, number: int, groups: Groups, bins: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts and hours of a label, of groups with effort: shape (groups, bins) each."""
        is_searched = self.data.searched[number][self.piece.run]
        is_seen = self.label == number
        group, other = (
            place.group if groups == "day" else self.data.runs.sites[1][place.run]
            for place in (self.piece, self.seen)
        )
        _, which = np.unique(
            np.concatenate([group[is_searched], other[is_seen]]), return_inverse=True
        )
        n = int(which.max(initial=-1)) + 1
        effort = int(is_searched.sum())

        def summed(which: np.ndarray, at: np.ndarray, weight: np.ndarray) -> np.ndarray:
            flat = np.bincount(which * bins + at, weights=weight, minlength=n * bins)
            return flat.reshape(n, bins)

        piece, seen = self.piece, self.seen
        hours = summed(which[:effort], piece.bin[is_searched], piece.weight[is_searched])
        return summed(which[effort:], seen.bin[is_seen], seen.weight[is_seen]), hours


def _by_sun(data: ChartData) -> tuple[_Places, _Places, np.ndarray]:
    """Effort and sightings by the hour of the sun, and the positions of these sightings."""
    runs, effort = data.runs, data.effort
    place = _coordinates(data)
    pieces, seen, positions = [], [], []
    times = np.concatenate([effort.begin_us, effort.end_us, data.utc_us[data.is_placed]])
    low_high = (int(times.min()), int(times.max())) if len(times) else (0, 0)
    for number in np.unique(place[place >= 0]):
        run = int(np.flatnonzero(place == number)[0])
        cells = sun_cells(float(runs.latitude[run]), float(runs.longitude[run]), *low_high)
        cut, cell = cells.split(effort[np.flatnonzero(place[effort.of] == number)])
        pieces.append(_of_sun(cells.hour[cell], cells.day[cell], cut.of, cut.hours)[0])
        at = np.flatnonzero((place[data.run] == number) & data.is_placed)
        cell = cells.at(data.utc_us[at])
        found, kept = _of_sun(cells.hour[cell], cells.day[cell], data.run[at], np.ones(len(at)))
        seen.append(found)
        positions.append(at[kept])
    rows = np.concatenate(positions) if positions else np.zeros(0, np.int64)
    return _together(pieces), _together(seen), rows


def _of_sun(
    hour: np.ndarray, day: np.ndarray, run: np.ndarray, weight: np.ndarray
) -> tuple[_Places, np.ndarray]:
    kept = hour >= 0
    return _Places(run[kept], day[kept], hour[kept], weight[kept]), kept


def _together(places: Sequence[_Places]) -> _Places:
    if not places:
        nothing = np.zeros(0, np.int64)
        return _Places(nothing, nothing, nothing, np.zeros(0))
    return _Places(
        *(np.concatenate([getattr(p, name) for p in places])
          for name in ("run", "group", "bin", "weight"))
    )  # fmt: skip


def _coordinates(data: ChartData) -> np.ndarray:
    """A number for each place with its sun, of each run; -1 where it is not known."""
    both = np.column_stack([data.runs.latitude, data.runs.longitude]).round(1)
    is_known = ~np.isnan(both).any(axis=1) & data.runs.is_placed
    place = np.full(len(both), -1)
    if is_known.any():
        place[is_known] = np.unique(both[is_known], axis=0, return_inverse=True)[1].ravel()
    return place


def _sun_notes(data: ChartData, shown: int) -> list[str]:
    runs, notes = data.runs, []
    lacking = runs.is_placed & (_coordinates(data) < 0)
    without = int((lacking[data.run] & data.is_placed).sum())
    if lacking.any():
        clips = counted(len(np.unique(runs.clip[lacking])), "clip")
        notes.append(
            f"{clips} without coordinates left out, with {counted(without, 'sighting')}; put them "
            "into a deployment with latitude and longitude"
        )
    polar = int(data.is_placed.sum()) - without - shown
    if polar > 0:
        notes.append(
            f"{counted(polar, 'sighting')} left out, on days on which the sun does not rise or set"
        )
    return notes


def _sun_words(hour: int) -> str:
    if 6 <= hour < 18:
        return f"{hour - 6}/12 to {hour - 5}/12 of the day after sunrise"
    since = (hour - 18) % 24
    return f"{since}/12 to {since + 1}/12 of the night after sunset"


def _draw(
    figure: Any,
    data: ChartData,
    table: pd.DataFrame,
    column: str,
    names: Sequence[str],
    nothing: str = NOTHING,
) -> None:
    for label in data.labels:
        rows = table[table["label"] == label]
        words = [f"{names[int(at)]}<br>{text}" for at, text in zip(rows[column], rate_words(rows))]
        add_points(figure, rows, rows[column], words, name=label, colour=data.colours[label])
    figure.update_layout(showlegend=True)
    if not len(table):
        say_nothing(figure, nothing)
        return
    fit(figure, table)
    lacking = ~np.isin(np.arange(len(names)), table[column][table["analysed_h"] > 0])
    mark_gaps(figure, [(a - 0.5, b - 0.5) for a, b in runs_of(lacking)])
