"""Sites beside each other, and periods, with limits and ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from itertools import pairwise
from typing import Any, Literal, Unpack

import numpy as np
import pandas as pd

from lab.charts.chart import (
    PER_HOUR,
    Chart,
    add_points,
    fit,
    new_figure,
    rate_columns,
    rate_words,
    say_nothing,
)
from lab.charts.data import ChartData, chart_data
from lab.charts.intervals import clustered_rates, rate_ratio
from lab.charts.over_time import NOTHING
from lab.charts.stretches import DAY_US
from lab.counted import counted
from lab.errors import SettingError, closest
from lab.store.sightings import SightingFilter

Period = tuple[str, datetime, datetime]
_UNITS = {"week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}
NO_SITE = "no site"


def sites(
    given: Any = None, *, reference: str | None = None, **wanted: Unpack[SightingFilter]
) -> Chart:
    """Sightings an analysed hour at each site, and their ratio to those of one of them.

    given: what `read_chart_data` gives, a store, or its folder. reference: a site; by default the
    one with the most hours. Days are resampled for the limits: percentile bootstrap, expanded for
    few days (Hesterberg, The American Statistician 69 (2015) 371), never narrower than the exact
    limits (Garwood 1936; of ratios, Przyborowski and Wilenski 1940). Raises SettingError for an
    unknown reference.
    """
    data = chart_data(given, wanted)
    names, which = data.runs.sites
    names = [name or NO_SITE for name in names]
    pieces, day = data.pieces(DAY_US)
    # A clip without a known start is a group of its own.
    others = np.flatnonzero(~data.runs.is_placed)
    effort = _Counted(
        np.append(pieces.of, others),
        np.append(which[pieces.of], which[others]),
        np.append(day, -1 - data.runs.clip[others]),
        np.append(pieces.hours, data.run_hours[others]),
    )
    group = np.where(data.is_placed, data.local_us // DAY_US, -1 - data.runs.clip[data.run])
    seen = _Counted(data.run, which[data.run], group, np.ones(len(data)))
    table = _compared(data, "site", names, effort, seen, reference)

    def part(row: int) -> SightingFilter:
        one = table.iloc[row]
        chosen: SightingFilter = {"label": one["label"]}
        return chosen if one["site"] == NO_SITE else {**chosen, "site": one["site"]}

    notes = _without_start(data)
    return _chart("sites", "Sites compared", data, table, names, notes, part)


def periods(
    given: Any = None,
    *,
    by: Literal["week", "month", "quarter", "year"] = "month",
    split: datetime | None = None,
    periods: Sequence[Period] | None = None,
    reference: str | None = None,
    **wanted: Unpack[SightingFilter],
) -> Chart:
    """As `sites`, for periods by the clocks of the sites.

    by: weeks (from Monday), months, quarters or years of the calendar. split: instead, before and
    from this time on. periods: instead, each with its name, begin and end (excluded), without
    tzinfo; they must not overlap. reference: by default the first. Raises SettingError.
    """
    data = chart_data(given, wanted)
    pieces, _ = data.pieces(DAY_US)
    placed = data.local_us[data.is_placed]
    begins = np.concatenate([pieces.begin_us + pieces.offset_us, placed])
    spans = _spans(begins, by, split, periods)
    names = [name for name, _, _ in spans]
    edges = np.array([[_us(a), _us(b)] for _, a, b in spans], np.int64).reshape(-1, 2)
    if (edges[1:, 0] < edges[:-1, 1]).any():
        raise SettingError("periods must not overlap, and come in their order; change their ends")
    parts = [pieces.between(a - pieces.offset_us, b - pieces.offset_us) for a, b in edges.tolist()]
    days = [(one.begin_us + one.offset_us) // DAY_US for one in parts]
    effort = _Counted(
        _joined([one.of for one in parts]),
        _joined([np.full(len(one), number) for number, one in enumerate(parts)]),
        _joined(days),
        _joined([one.hours for one in parts]),
    )
    at = np.searchsorted(edges[:, 0], data.local_us, "right") - 1
    is_inside = data.is_placed & (at >= 0)
    if len(edges):
        is_inside &= data.local_us < edges[at, 1]
    seen = _Counted(
        data.run, np.where(is_inside, at, -1), data.local_us // DAY_US, np.ones(len(data))
    )
    table = _compared(data, "period", names, effort, seen, reference or next(iter(names), None))
    limits = {name: (a, b) for name, a, b in spans}

    def part(row: int) -> SightingFilter:
        one = table.iloc[row]
        begin, end = limits[one["period"]]
        chosen: SightingFilter = {"label": one["label"]}
        if begin != datetime.min:
            chosen["from_local"] = begin
        if end != datetime.max:
            chosen["to_local"] = end - timedelta(microseconds=1)
        return chosen

    return _chart("periods", "Periods compared", data, table, names, data.placed_notes, part)


def _spans(
    local_us: np.ndarray, by: str, split: datetime | None, periods: Sequence[Period] | None
) -> list[Period]:
    if periods is not None:
        for name, begin, end in periods:
            if end <= begin:
                raise SettingError(f"period {name!r} ends at {end}, before it begins; change it")
        return list(periods)
    if split is not None:
        return [(f"before {split:%Y-%m-%d %H:%M}", datetime.min, split),
                (f"from {split:%Y-%m-%d %H:%M} on", split, datetime.max)]  # fmt: skip
    if by not in _UNITS:
        raise SettingError(f"periods are by {', '.join(_UNITS)}, got {by!r}")
    if not len(local_us):
        return []
    first, last = (pd.Timestamp(int(t), unit="us") for t in (local_us.min(), local_us.max()))
    found = pd.period_range(first, last, freq=_UNITS[by])
    return [
        (_name(one, by), one.start_time.to_pydatetime(), (one + 1).start_time.to_pydatetime())
        for one in found
    ]


def _name(period: pd.Period, by: str) -> str:
    if by == "week":
        return f"week of {period.start_time:%Y-%m-%d}"
    return str(period)


def _us(time: datetime) -> int:
    if time in (datetime.min, datetime.max):
        return -(1 << 61) if time == datetime.min else 1 << 61
    since = time.replace(tzinfo=None) - datetime(1970, 1, 1)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class _Counted:
    """Stretches of effort, or sightings: of which run, in what (-1: none), in which group."""

    run: np.ndarray
    which: np.ndarray
    group: np.ndarray
    weight: np.ndarray


def _compared(
    data: ChartData,
    column: str,
    names: Sequence[str],
    effort: _Counted,
    seen: _Counted,
    reference: str | None,
) -> pd.DataFrame:
    """A row for each label and each of the names that has effort."""
    if reference is not None and reference not in names:
        raise SettingError(f"no {column} {reference!r} here; {closest(reference, list(names))}")
    if reference is None and names:
        hours = np.bincount(effort.which, weights=effort.weight, minlength=len(names))
        reference = names[int(np.argmax(hours))]
    rows = []
    for number, label in enumerate(data.labels):
        found = _of_label(data, number, len(names), effort, seen)
        base = found[names.index(reference)] if reference is not None else None
        for name, (counts, hours) in zip(names, found, strict=True):
            if not hours.sum() and not counts.sum():
                continue
            limits = clustered_rates(counts[:, None], hours[:, None])
            rates = rate_columns(counts.sum()[None], hours.sum()[None], limits)
            row = {"label": label, column: name, **{key: v[0] for key, v in rates.items()}}
            row["days"] = int((hours > 0).sum())
            is_base = name == reference
            ratio = (
                (1.0, np.nan, np.nan)
                if is_base or base is None
                else rate_ratio((counts, hours), base)
            )
            row |= dict(zip(("ratio", "ratio_low", "ratio_high"), ratio))
            rows.append({**row, "ratio_to": reference})
    columns = ["label", column, "sightings", "analysed_h", "per_hour", "low", "high", "days",
               "ratio", "ratio_low", "ratio_high", "ratio_to"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _of_label(
    data: ChartData, number: int, n: int, effort: _Counted, seen: _Counted
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each of n, the counts and hours of its groups."""
    is_searched = data.searched[number][effort.run]
    is_seen = (data.label == number) & (seen.which >= 0)
    frame = pd.DataFrame(
        {
            "which": np.append(effort.which[is_searched], seen.which[is_seen]),
            "group": np.append(effort.group[is_searched], seen.group[is_seen]),
            "hours": np.append(effort.weight[is_searched], np.zeros(int(is_seen.sum()))),
            "count": np.append(np.zeros(int(is_searched.sum())), np.ones(int(is_seen.sum()))),
        }
    )
    summed = frame.groupby(["which", "group"], sort=True).sum().reset_index()
    edges = np.searchsorted(summed["which"].to_numpy(), np.arange(n + 1))
    counts, hours = summed["count"].to_numpy(), summed["hours"].to_numpy()
    return [(counts[a:b], hours[a:b]) for a, b in pairwise(edges)]


def _without_start(data: ChartData) -> list[str]:
    clips = len(np.unique(data.runs.clip[~data.runs.is_placed]))
    if not clips:
        return []
    are = "is" if clips == 1 else "are each"
    return [f"{counted(clips, 'clip')} without a known start {are} resampled like a day"]


def _chart(
    name: str,
    title: str,
    data: ChartData,
    table: pd.DataFrame,
    names: Sequence[str],
    notes: Sequence[str],
    part: Callable[[int], SightingFilter],
) -> Chart:
    figure = new_figure("", PER_HOUR)
    column = table.columns[1]
    for label in data.labels:
        rows = table[table["label"] == label]
        words = [
            f"{escape(str(at))}<br>{text}{_ratio_words(row)}"
            for at, text, (_, row) in zip(rows[column], rate_words(rows), rows.iterrows())
        ]
        x = [escape(str(at)) for at in rows[column]]
        add_points(figure, rows, x, words, name=label, colour=data.colours[label])
    order = [escape(one) for one in names if one in set(table[column])]
    figure.update_layout(showlegend=True)
    fit(figure, table)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=order)
    if not len(table):
        say_nothing(figure, NOTHING)
    return Chart(name, title, figure, table, (*notes, *data.notes), part)


def _ratio_words(row: pd.Series) -> str:
    if np.isnan(row["ratio"]) or row["ratio_to"] == row.iloc[1]:
        return ""
    return (
        f"<br>{row['ratio']:.3g} times {escape(str(row['ratio_to']))} "
        f"[{row['ratio_low']:.3g}, {row['ratio_high']:.3g}]"
    )
