"""A chart: its figure, the table behind it, and which sightings each row of that is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lab.formats.csv import to_csv
from lab.store.sightings import SightingFilter

PER_HOUR = "sightings an analysed hour"
_HEIGHT_PX = 430
_MOST_BANDS = 150
_BAND = "rgba(128, 128, 128, 0.16)"
_MOST_WHISKERS = 120
_FEW_DAYS = 14
_LITTLE = 0.25  # of the usual hours


def _no_part(row: int) -> SightingFilter:
    return {}


@dataclass(frozen=True, eq=False)
class Chart:
    """What a function of `lab.charts` gives; in a notebook its figure is shown.

    name: such as `activity`. title: for people. figure: each of its points has the row of `table`
    that it shows in `customdata`. notes: what was left out, and why. part: of a row, the conditions
    that choose its sightings beside those of the whole chart.
    """

    name: str
    title: str
    figure: go.Figure
    table: pd.DataFrame
    notes: tuple[str, ...] = ()
    part: Callable[[int], SightingFilter] = field(default=_no_part, repr=False)

    def to_csv(self) -> str:
        """The table; text that a spreadsheet would run as a formula gets an apostrophe."""
        rows = self.table.astype(object).where(self.table.notna(), None)
        given = [
            {name: _cell(value) for name, value in row.items()} for row in rows.to_dict("records")
        ]
        return to_csv(given, list(self.table.columns))

    def to_html(self) -> str:
        """A page of its own that needs no network: the figure, notes, and the table behind it."""
        figure = self.figure.to_html(full_html=False, include_plotlyjs=True)
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        table = self.table.to_html(index=False, na_rep="", float_format="{:.6g}".format)
        return _PAGE.format(
            title=escape(self.title), figure=figure, notes=f"<ul>{notes}</ul>", table=table
        )

    def _repr_mimebundle_(self, *args: Any, **kwargs: Any) -> Any:
        return self.figure._repr_mimebundle_(*args, **kwargs)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem }}
table {{ border-collapse: collapse }} th, td {{ padding: .2rem .7rem; text-align: right }}
tr {{ border-bottom: 1px solid #ddd }} table.dataframe {{ border: 0 }}
</style></head><body><h1>{title}</h1>
{figure}
{notes}
<details><summary>Table</summary>{table}</details>
</body></html>
"""


def _cell(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def narrowed(wanted: SightingFilter, part: SightingFilter) -> SightingFilter:
    """The conditions of a part, no wider than those of the whole chart."""
    both: dict[str, Any] = dict(part)
    for name, value in wanted.items():
        if value is None or both.get(name) is None:
            continue
        if name.startswith(("from_", "min_")):
            both[name] = max(both[name], value)
        elif name.startswith(("to_", "max_")):
            both[name] = min(both[name], value)
        elif name == "hours":
            both[name] = _hours_in_both(both[name], wanted["hours"])  # type: ignore[arg-type]
    return cast(SightingFilter, both)


def _hours_in_both(part: tuple[float, float], whole: tuple[float, float]) -> tuple[float, float]:
    """Those of a part that does not go over midnight and lies at least partly in the whole."""
    begin, end = whole
    if begin <= end:
        return max(part[0], begin), min(part[1], end)
    if part[1] > begin:
        return max(part[0], begin), part[1]
    return part[0], min(part[1], end)


def rate_columns(
    counts: np.ndarray, hours: np.ndarray, limits: tuple[np.ndarray, np.ndarray]
) -> dict[str, np.ndarray]:
    """The columns of a rate; those of bins without effort are NaN."""
    low, high = limits
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(hours > 0, counts / hours, np.nan)
    return {
        "sightings": counts.astype(np.int64),
        "analysed_h": hours,
        "per_hour": rate,
        "low": np.where(hours > 0, low, np.nan),
        "high": np.where(hours > 0, high, np.nan),
    }


def rate_words(table: pd.DataFrame) -> list[str]:
    """What a point of a rate says when one points at it."""
    given = zip(
        table["per_hour"], table["low"], table["high"], table["sightings"], table["analysed_h"],
        strict=True,
    )  # fmt: skip
    return [
        f"{rate:.3g} an hour [{low:.3g}, {high:.3g}]<br>{n:,} in {hours:,.3g} h analysed"
        for rate, low, high, n, hours in given
    ]


def new_figure(x_title: str, y_title: str, **layout: Any) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        height=_HEIGHT_PX,
        margin={"l": 60, "r": 15, "t": 35, "b": 50},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        clickmode="event+select",
        dragmode=False,
        hovermode="closest",
        bargap=0.25,
    )
    figure.update_xaxes(title=x_title)
    figure.update_yaxes(title=y_title, rangemode="tozero")
    figure.update_layout(**layout)
    return figure


def add_points(
    figure: go.Figure,
    rows: pd.DataFrame,
    x: Sequence[Any] | np.ndarray | pd.Series,
    words: Sequence[str],
    *,
    name: str,
    colour: str,
    values: tuple[str, str, str] = ("per_hour", "low", "high"),
    as_line: bool = False,
    where: Mapping[str, str] | None = None,
) -> None:
    """One label's values with their intervals, as bars or as points of a line.

    rows: of the chart's table, by whose index a click finds them. values: the columns of value, low
    and high. A line breaks where a row has no value.
    """
    value, low, high = (rows[column].to_numpy(float) for column in values)
    common: dict[str, Any] = {
        "x": x,
        "y": value,
        "name": escape(name),
        "customdata": rows.index.to_numpy(),
        "hovertext": words,
        "hovertemplate": "%{hovertext}<extra>" + escape(name) + "</extra>",
    }
    if len(rows) <= _MOST_WHISKERS:
        common["error_y"] = {
            "type": "data",
            "array": np.nan_to_num(high - value),
            "arrayminus": np.nan_to_num(value - low),
            "thickness": 1.2,
            "width": 3 if len(rows) < 60 else 0,
            "color": _faded(colour) if as_line else "rgba(128, 128, 128, 0.85)",
        }
    if as_line:
        trace = go.Scatter(
            **common, mode="lines+markers", line={"color": colour, "width": 1.3},
            marker={"color": colour, "size": 6 if len(rows) < 100 else 4}, connectgaps=False,
        )  # fmt: skip
    else:
        trace = go.Bar(**common, marker={"color": colour})
    figure.add_trace(trace, **(where or {}))


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.5)"


def fit(figure: go.Figure, table: pd.DataFrame, value: str = "per_hour") -> None:
    """Let the y axis hold all values, and the limits but for those of next to no effort."""
    hours = table["analysed_h"].to_numpy(float)
    if not (hours > 0).any():
        return
    values, high = (table[name].to_numpy(float) for name in (value, "high"))
    is_usual = hours >= _LITTLE * np.median(hours[hours > 0])
    top = np.nanmax([*values, *high[is_usual], 0.0])
    if top > 0 and np.nanmax([*high, 0.0]) > 1.5 * top:
        figure.update_yaxes(range=[0, 1.05 * top])


def mark_gaps(figure: go.Figure, gaps: Sequence[tuple[Any, Any]]) -> bool:
    """Shade stretches of the x axis without effort; false where these are too many for that."""
    if not gaps or len(gaps) > _MOST_BANDS:
        return False
    for begin, end in gaps:
        figure.add_shape(
            type="rect", xref="x", yref="paper", x0=begin, x1=end, y0=0, y1=1, layer="below",
            line_width=0, fillcolor=_BAND,
        )  # fmt: skip
    # A name in the legend, for shapes have none.
    figure.add_trace(
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            name="nothing analysed",
            hoverinfo="skip",
            marker={"symbol": "square", "size": 12, "color": _BAND},
        )
    )
    return True


def mark_days(figure: go.Figure, days: int) -> None:
    """Ticks of an x axis of so many days; where there are few, one a day at most."""
    figure.update_xaxes(tickformat="%b %-d\n%Y")
    if days <= _FEW_DAYS:
        figure.update_xaxes(dtick=86_400_000)


def runs_of(mask: np.ndarray) -> list[tuple[int, int]]:
    """Where a mask is true: begin and end (exclusive) of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def say_nothing(figure: go.Figure, text: str) -> None:
    """A chart without a single value says why."""
    figure.add_annotation(
        text=escape(text), showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5,
        font={"size": 15, "color": "#888888"},
    )  # fmt: skip
    figure.update_xaxes(showticklabels=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, zeroline=False)
