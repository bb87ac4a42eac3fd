"""Which labels are seen together, and the first and last sighting of each day."""

from __future__ import annotations

from html import escape
from typing import Any, Unpack

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lab.charts.chart import Chart, mark_days, new_figure, say_nothing
from lab.charts.daily import MOST_IDS
from lab.charts.data import ChartData, chart_data
from lab.charts.over_time import NOTHING
from lab.charts.stretches import DAY_US, HOUR_US
from lab.evaluation.rates import proportion_interval
from lab.score_log import spans
from lab.store.sightings import SightingFilter

_SCALE = "Blues"


def co_occurrence(given: Any = None, **wanted: Unpack[SightingFilter]) -> Chart:
    """Of the sightings of each label, the share during which another was present in the clip.

    Only sightings in clips that were searched for both count. Two are together if they share a
    moment, their ends included. by_chance: the share of the analysed time of these clips in which
    the other was present. Limits are exact for a proportion (Clopper and Pearson, Biometrika 26
    (1934) 404), as if each sighting came by itself.
    """
    data = chart_data(given, wanted)
    rows = [
        _pair(data, one, other)
        for one in range(len(data.labels))
        for other in range(len(data.labels))
        if one != other
    ]
    columns = ["label", "other", "sightings", "together", "share", "low", "high", "by_chance"]
    table = pd.DataFrame(rows, columns=columns)
    figure = new_figure("with", "of the sightings of")
    names = [escape(label) for label in data.labels]
    if len(table):
        _draw_matrix(figure, table, names)
    else:
        say_nothing(figure, "this needs sightings of two labels")

    def part(row: int) -> SightingFilter:
        one, other = (data.labels.index(table[name].iloc[row]) for name in ("label", "other"))
        at, is_together = _overlaps(data, one, other)
        return {"sighting_id": data.ids(at[is_together][:MOST_IDS])}

    return Chart("together", "Labels seen together", figure, table, data.notes, part)


def _pair(data: ChartData, one: int, other: int) -> dict[str, Any]:
    at, is_together = _overlaps(data, one, other)
    n, found = len(at), int(is_together.sum())
    low, high = proportion_interval(found, n) or (np.nan, np.nan)
    both = data.searched[one] & data.searched[other]
    mine = (data.label == other) & both[data.run]
    present_h = float((data.end_us - data.onset_us)[mine].sum()) / HOUR_US
    hours = float(data.run_hours[both].sum())
    return {
        "label": data.labels[one],
        "other": data.labels[other],
        "sightings": n,
        "together": found,
        "share": found / n if n else np.nan,
        "low": low,
        "high": high,
        "by_chance": min(1.0, present_h / hours) if hours else np.nan,
    }


def _overlaps(data: ChartData, one: int, other: int) -> tuple[np.ndarray, np.ndarray]:
    """The sightings of a label where the other was searched, too, and whether it was there."""
    clip = data.runs.clip
    searched = np.zeros(int(clip.max(initial=-1)) + 1, bool)
    searched[clip[data.searched[other]]] = True
    of_one = np.flatnonzero((data.label == one) & searched[clip[data.run]])
    of_other = np.flatnonzero(data.label == other)
    # Clips lie one after the other on one axis, so that all are looked at in one go.
    length = int(data.end_us.max(initial=0)) - min(0, int(data.onset_us.min(initial=0))) + 2
    begin, end = (clip[data.run] * length + times for times in (data.onset_us, data.end_us))
    there = spans.union(np.column_stack([begin[of_other], end[of_other]]))
    before = np.searchsorted(there[:, 0], end[of_one], "right")
    gone = np.searchsorted(there[:, 1], begin[of_one], "left")
    return of_one, before > gone


def _draw_matrix(figure: go.Figure, table: pd.DataFrame, names: list[str]) -> None:
    n = len(names)
    share = np.full((n, n), np.nan)
    position = {name: i for i, name in enumerate(names)}
    rows = [position[escape(label)] for label in table["label"]]
    across = [position[escape(label)] for label in table["other"]]
    share[rows, across] = table["share"]
    top = max(float(np.nanmax(np.append(table["share"], 0.0))), 0.05)
    size_px = min(150.0, 330 / n)
    figure.add_trace(
        go.Heatmap(
            z=share,
            x=names,
            y=names,
            colorscale=_SCALE,
            zmin=0,
            zmax=top,
            hoverinfo="skip",
            colorbar={"title": "share", "tickformat": ".0%"},
            xgap=2,
            ygap=2,
        )
    )
    words = [
        f"{found:,} of {total:,}: {share:.1%} [{low:.1%}, {high:.1%}]<br>by chance {chance:.1%}"
        for found, total, share, low, high, chance in zip(
            table["together"], table["sightings"], table["share"], table["low"], table["high"],
            table["by_chance"],
        )
    ]  # fmt: skip
    # A heat map cannot be clicked to select: these points lie over its cells.
    figure.add_trace(
        go.Scatter(
            x=[names[i] for i in across],
            y=[names[i] for i in rows],
            mode="markers+text",
            marker={"symbol": "square", "size": size_px, "opacity": 0},
            text=[f"{v:.0%}" if v == v else "" for v in table["share"]],
            customdata=table.index.to_numpy(),
            hovertext=words,
            showlegend=False,
            hovertemplate="%{y} with %{x}<br>%{hovertext}<extra></extra>",
            textfont={
                "color": ["white" if v > 0.6 * top else "#1f2937" for v in table["share"].fillna(0)]
            },
        )
    )
    figure.update_yaxes(autorange="reversed", rangemode="normal")


def first_and_last(given: Any = None, **wanted: Unpack[SightingFilter]) -> Chart:
    """The first and the last sighting of each day, by the clock of the site.

    The grey bar is from when to when anything was analysed that day: what lies outside of it was
    not looked at.
    """
    data = chart_data(given, wanted)
    seen = np.flatnonzero(data.is_placed)
    frame = pd.DataFrame(
        {
            "label": data.label[seen],
            "day": data.local_us[seen] // DAY_US,
            "us": data.local_us[seen] % DAY_US,
            "at": seen,
        }
    ).sort_values(["label", "day", "us"], kind="stable")
    first = frame.drop_duplicates(["label", "day"], keep="first")
    last = frame.drop_duplicates(["label", "day"], keep="last")
    found = pd.concat([first.assign(which="first"), last.assign(which="last")])
    found = found.sort_values(["label", "day", "which"]).reset_index(drop=True)
    watched = [_watched(data, number) for number in range(len(data.labels))]
    hours = pd.concat(watched, ignore_index=True) if watched else _watched_of_nothing()
    table = found.merge(hours, on=["label", "day"], how="left")
    sightings = table["at"].to_numpy(np.int64)
    table = pd.DataFrame(
        {
            "label": [data.labels[i] for i in table["label"]],
            "day": (table["day"].to_numpy(np.int64) * DAY_US).astype("datetime64[us]"),
            "which": table["which"].to_numpy(),
            "hour": table["us"].to_numpy() / HOUR_US,
            "analysed_h": table["analysed_h"].to_numpy(float),
            "from_hour": table["from_us"].to_numpy(float) / HOUR_US,
            "to_hour": table["to_us"].to_numpy(float) / HOUR_US,
        }
    )
    figure = _draw_days(data, table, hours)

    def part(row: int) -> SightingFilter:
        return {"sighting_id": data.ids(sightings[[row]])}

    notes = (*data.placed_notes, *data.notes)
    return Chart("first-last", "First and last of the day", figure, table, notes, part)


def _watched(data: ChartData, number: int) -> pd.DataFrame:
    """Of each day, from when to when it was searched for a label, and for how long."""
    pieces, day = data.pieces(DAY_US)
    some = data.searched[number][pieces.of]
    frame = pd.DataFrame(
        {
            "day": day[some],
            "from_us": (pieces.begin_us + pieces.offset_us - day * DAY_US)[some],
            "to_us": (pieces.end_us + pieces.offset_us - day * DAY_US)[some],
            "analysed_h": pieces.hours[some],
        }
    )
    how = {"from_us": "min", "to_us": "max", "analysed_h": "sum"}
    return frame.groupby("day").agg(how).reset_index().assign(label=number)


def _watched_of_nothing() -> pd.DataFrame:
    return pd.DataFrame({"day": [], "from_us": [], "to_us": [], "analysed_h": [], "label": []})


def _draw_days(data: ChartData, table: pd.DataFrame, hours: pd.DataFrame) -> go.Figure:
    figure = new_figure("day", "hour of the day, by the clock of the site", bargap=0)
    if not len(hours):
        say_nothing(figure, NOTHING)
        return figure
    of_all = hours.groupby("day").agg({"from_us": "min", "to_us": "max"}).reset_index()
    day = (of_all["day"].to_numpy(np.int64) * DAY_US).astype("datetime64[us]")
    figure.add_trace(
        go.Bar(
            x=day,
            base=of_all["from_us"] / HOUR_US,
            width=DAY_US / 1000 * 0.9,
            offset=0,
            y=(of_all["to_us"] - of_all["from_us"]) / HOUR_US,
            name="analysed",
            hoverinfo="skip",
            marker={"color": "rgba(128, 128, 128, 0.22)", "line": {"width": 0}},
        )
    )
    for label in data.labels:
        for which, symbol in (("first", "triangle-up"), ("last", "triangle-down")):
            rows = table[(table["label"] == label) & (table["which"] == which)]
            words = [f"{which} on {day:%Y-%m-%d} at {_clock(hour)}"
                     for day, hour in zip(rows["day"], rows["hour"])]  # fmt: skip
            figure.add_trace(
                go.Scatter(
                    x=rows["day"] + pd.Timedelta(hours=12),
                    y=rows["hour"],
                    mode="markers",
                    name=f"{escape(label)}, {which}",
                    customdata=rows.index.to_numpy(),
                    marker={"color": data.colours[label], "size": 8, "symbol": symbol},
                    hovertext=words,
                    hovertemplate="%{hovertext}<extra>%{fullData.name}</extra>",
                )
            )
    mark_days(figure, int(of_all["day"].max() - of_all["day"].min()) + 1)
    figure.update_yaxes(range=[24.3, -0.3], dtick=3, rangemode="normal")
    return figure


def _clock(hour: float) -> str:
    seconds = round(hour * 3600)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
