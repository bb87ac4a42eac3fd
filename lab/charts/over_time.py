"""Sightings and presence over the calendar, by the clock of each site."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, Unpack

import numpy as np
import pandas as pd

from lab.charts.chart import (
    PER_HOUR,
    Chart,
    add_points,
    fit,
    mark_days,
    mark_gaps,
    new_figure,
    rate_columns,
    rate_words,
    runs_of,
    say_nothing,
)
from lab.charts.data import ChartData, chart_data
from lab.charts.intervals import count_rates, ratio_interval
from lab.charts.stretches import DAY_US, HOUR_US
from lab.store.sightings import SightingFilter

MOST_POINTS = 800
_HOURS = (1, 2, 3, 6, 12, 24)
_DAYS = (1, 2, 7, 14, 28, 91, 364)
_MONDAY_US = -3 * DAY_US  # 1969-12-29
NOTHING = "nothing was analysed here, or no clip has a known start"


def sightings_an_hour(
    given: Any = None, *, most_points: int | None = MOST_POINTS, **wanted: Unpack[SightingFilter]
) -> Chart:
    """Sightings an analysed hour, hour by hour of the calendar.

    given: what `read_chart_data` gives, a store, or its folder. most_points: if hours times labels
    are more, several hours are taken together, which a note says; None never does. Limits are exact
    for counts (Garwood, Biometrika 28 (1936) 437).
    """
    return _rates(chart_data(given, wanted), "hours", [h * HOUR_US for h in _HOURS], most_points)


def sightings_a_day(
    given: Any = None, *, most_points: int | None = MOST_POINTS, **wanted: Unpack[SightingFilter]
) -> Chart:
    """As `sightings_an_hour`, day by day."""
    return _rates(chart_data(given, wanted), "days", [], most_points)


def presence(
    given: Any = None, *, most_points: int | None = MOST_POINTS, **wanted: Unpack[SightingFilter]
) -> Chart:
    """Which share of the analysed time a label was present, day by day.

    A presence is the time from onset to offset, over midnight that of both days. Limits come from
    the spread between the clips of a day (ratio estimator: Cochran, Sampling Techniques, 3rd ed.
    (1977), 6.19); a day of one clip has none.
    """
    data = chart_data(given, wanted)
    bins = _Bins(data, [], most_points)
    there, there_bin = bins.of(data.presence)
    run = data.run[there.of]
    tables = []
    for number, label in enumerate(data.labels):
        whole = bins.by_clip(bins.pieces, bins.piece_bin, bins.pieces.of, data.searched[number])
        mine = data.label[there.of] == number
        part = bins.by_clip(there[mine], there_bin[mine], run[mine])
        clips = pd.DataFrame({"whole": whole, "part": part}).fillna(0.0)
        clips = clips[clips["whole"] > 0]
        at = clips.index.get_level_values("bin").to_numpy(np.int64) - bins.first
        low, high = ratio_interval(clips["part"].to_numpy(), clips["whole"].to_numpy(), at, bins.n)
        hours = np.bincount(at, weights=clips["whole"], minlength=bins.n)
        found = np.bincount(at, weights=clips["part"], minlength=bins.n)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(hours > 0, found / hours, np.nan)
        table = bins.columns(label)
        table |= {"present_h": found, "analysed_h": hours, "share": share, "low": low, "high": high}
        tables.append(pd.DataFrame(table))
    figure = new_figure("day", "share of the analysed time", yaxis_tickformat=".1%")
    words = lambda rows: [  # noqa: E731
        f"{share:.2%} [{low:.2%}, {high:.2%}]<br>{60 * part:,.3g} of {60 * whole:,.5g} min analysed"
        for share, low, high, part, whole in zip(
            rows["share"], rows["low"], rows["high"], rows["present_h"], rows["analysed_h"],
            strict=True,
        )
    ]  # fmt: skip
    return bins.chart("presence", "Presence a day", figure, tables, ("share", "low", "high"), words)


def _rates(
    data: ChartData, name: Literal["hours", "days"], sizes: list[int], most: int | None
) -> Chart:
    bins = _Bins(data, sizes, most)
    tables = []
    for number, label in enumerate(data.labels):
        searched = data.searched[number][bins.pieces.of]
        hours = np.bincount(
            bins.piece_bin - bins.first, weights=bins.pieces.hours * searched, minlength=bins.n
        )
        mine = (data.label == number) & data.is_placed
        counts = np.bincount(bins.number(data.local_us[mine]) - bins.first, minlength=bins.n)
        columns = rate_columns(counts, hours, count_rates(counts, hours))
        tables.append(pd.DataFrame(bins.columns(label) | columns))
    figure = new_figure(name[:-1], PER_HOUR)
    title = "Sightings an hour" if name == "hours" else "Sightings a day"
    return bins.chart(name, title, figure, tables, ("per_hour", "low", "high"), rate_words)


class _Bins:
    """Bins of the calendar that hold all sightings and all effort."""

    def __init__(self, data: ChartData, sizes: list[int], most: int | None) -> None:
        self.data = data
        self.sizes = sizes or [days * DAY_US for days in _DAYS]
        effort, placed = data.effort, data.local_us[data.is_placed]
        times = [effort.begin_us + effort.offset_us, effort.end_us + effort.offset_us - 1, placed]
        every = np.concatenate(times)
        low, high = (int(every.min()), int(every.max())) if len(every) else (0, -1)
        self.size_us = self._fitting(low, high, most)
        self.origin_us = _MONDAY_US if self.size_us % (7 * DAY_US) == 0 else 0
        self.first = (low - self.origin_us) // self.size_us
        self.n = (high - self.origin_us) // self.size_us - self.first + 1 if len(every) else 0
        self.pieces, self.piece_bin = self.of(effort)

    def _fitting(self, low_us: int, high_us: int, most: int | None) -> int:
        series = max(1, len(self.data.labels))
        sizes = [*self.sizes, *(days * DAY_US for days in _DAYS if days * DAY_US > self.sizes[-1])]
        fitting = (s for s in sizes if most is None or (high_us - low_us) // s * series <= most)
        return next(fitting, sizes[-1])

    def number(self, local_us: np.ndarray) -> np.ndarray:
        return (local_us - self.origin_us) // self.size_us

    def of(self, stretches: Any) -> tuple[Any, np.ndarray]:
        """Stretches cut at the bins."""
        return stretches.split(self.size_us, self.origin_us)

    def by_clip(
        self, pieces: Any, bins: np.ndarray, run: np.ndarray, counts: np.ndarray | None = None
    ) -> pd.Series:
        """Hours by bin and clip. counts: which runs do."""
        frame = pd.DataFrame({"bin": bins, "clip": run, "hours": pieces.hours})
        if counts is not None:
            frame = frame[counts[run]]
        return frame.groupby(["bin", "clip"], sort=True)["hours"].sum()

    def columns(self, label: str) -> dict[str, Any]:
        begin = np.arange(self.first, self.first + self.n) * self.size_us + self.origin_us
        return {
            "label": label,
            "begins": begin.astype("datetime64[us]"),
            "ends": (begin + self.size_us).astype("datetime64[us]"),
        }

    def chart(
        self, name: str, title: str, figure: Any, tables: list[pd.DataFrame],
        values: tuple[str, str, str], words: Any,
    ) -> Chart:  # fmt: skip
        """The chart of these tables; bins without effort are in the figure alone, as gaps."""
        data = self.data
        whole = pd.concat(tables, ignore_index=True) if tables else _empty()
        is_kept = (whole["analysed_h"] > 0) | (whole.get("sightings", 0) > 0)
        whole["row"] = np.cumsum(is_kept) - 1
        effort = np.zeros(self.n)
        for number, label in enumerate(data.labels):
            rows = whole.iloc[number * self.n : (number + 1) * self.n]
            effort = effort + rows["analysed_h"].to_numpy()
            shown = rows[_around(rows["analysed_h"].to_numpy() > 0)]
            middle = shown["begins"] + pd.Timedelta(microseconds=self.size_us // 2)
            said = [f"{begin:{_FORMATS[self.size_us < DAY_US]}}<br>{word}"
                    for begin, word in zip(shown["begins"], words(shown), strict=True)]  # fmt: skip
            add_points(
                figure, shown.set_index("row"), middle, said, name=label,
                colour=data.colours[label], values=values, as_line=True,
            )  # fmt: skip
        figure.update_layout(showlegend=True)
        begins = tables[0]["begins"] if tables else []
        ends = tables[0]["ends"] if tables else []
        mark_gaps(
            figure,
            [(begins[a], ends[b - 1]) for a, b in runs_of(effort <= 0)] if len(begins) else [],
        )
        table = whole[is_kept].drop(columns="row").reset_index(drop=True)
        fit(figure, table, values[0])
        if self.size_us >= DAY_US:
            mark_days(figure, self.n * self.size_us // DAY_US)
        if not len(table):
            say_nothing(figure, NOTHING)
        notes = (*self._notes(), *data.placed_notes, *data.notes)
        return Chart(name, title, figure, table, notes, lambda row: _part(table, row))

    def _notes(self) -> list[str]:
        if self.size_us <= self.sizes[0]:
            return []
        hours = self.size_us // HOUR_US
        span = f"{hours} hours" if hours <= 24 else f"{hours // 24} days"
        return [f"each point is of {span}, since there are many; choose a shorter time to see more"]


_FORMATS = {True: "%Y-%m-%d %H:%M", False: "%Y-%m-%d"}


def _around(is_there: np.ndarray) -> np.ndarray:
    """Those that are there, and the first of each gap, which breaks the line."""
    before = np.concatenate([[False], is_there[:-1]])
    return is_there | before


def _part(table: pd.DataFrame, row: int) -> SightingFilter:
    one = table.iloc[row]
    end: datetime = one["ends"].to_pydatetime() - timedelta(microseconds=1)
    return {"label": one["label"], "from_local": one["begins"].to_pydatetime(), "to_local": end}


def _empty() -> pd.DataFrame:
    return pd.DataFrame({"label": [], "begins": [], "ends": [], "analysed_h": []})
