"""How long sightings last, and how high they score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Unpack

import numpy as np
import pandas as pd

from lab.charts.chart import (
    PER_HOUR,
    Chart,
    add_points,
    new_figure,
    rate_columns,
    rate_words,
    say_nothing,
)
from lab.charts.data import ChartData, chart_data
from lab.charts.intervals import count_rates
from lab.counted import counted
from lab.store.sightings import SightingFilter

DURATIONS_S = (0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
SCORES = tuple(round(0.05 * i, 2) for i in range(21))
_LESS = 1e-9  # than a score at which the next bar begins
_NEXT_S = 1e-6  # durations are whole microseconds


def durations(given: Any = None, **wanted: Unpack[SightingFilter]) -> Chart:
    """Sightings an analysed hour by their duration, from onset to offset.

    Limits are exact for counts (Garwood, Biometrika 28 (1936) 437). A sighting that began before
    the clip, or went on after it, counts with what was seen of it, and a note says how many did.
    """
    data = chart_data(given, wanted)
    edges_us = np.array(DURATIONS_S, np.int64) * 1_000_000
    at = np.searchsorted(edges_us, data.end_us - data.onset_us, "right") - 1
    names = [_span(low, high) for low, high in zip(DURATIONS_S, [*DURATIONS_S[1:], None])]
    table = _histogram(data, at, ("from_s", "to_s"), [*DURATIONS_S, np.nan])
    figure = new_figure("duration", PER_HOUR)

    def part(row: int) -> SightingFilter:
        one = table.iloc[row]
        chosen: SightingFilter = {"label": one["label"], "min_duration_s": float(one["from_s"])}
        if not np.isnan(one["to_s"]):
            chosen["max_duration_s"] = float(one["to_s"]) - _NEXT_S
        return chosen

    _draw(figure, data, table, names)
    if len(data):
        figure.update_xaxes(range=[int(at.min()) - 0.6, int(at.max()) + 0.6])
    notes = []
    if censored := int(data.censored.sum()):
        are = "is" if censored == 1 else "are"
        notes = [f"{counted(censored, 'sighting')} {are} longer than was seen: cut by an end of "
                 "the clip or of the analysis"]  # fmt: skip
    return Chart("durations", "Durations", figure, table, (*notes, *data.notes), part)


def scores(given: Any = None, **wanted: Unpack[SightingFilter]) -> Chart:
    """Sightings an analysed hour by their peak score, with limits as in `durations`."""
    data = chart_data(given, wanted)
    at = np.clip(np.searchsorted(SCORES, data.score, "right") - 1, 0, len(SCORES) - 2)
    names = [f"{low:.2f} to {high:.2f}" for low, high in pairwise(SCORES)]
    table = _histogram(data, at, ("from_score", "to_score"), list(SCORES))
    figure = new_figure("peak score", PER_HOUR)
    _draw(figure, data, table, names, lambda bins: np.array(SCORES)[bins] + 0.025)
    figure.update_xaxes(range=_shown(table), zeroline=False)

    def part(row: int) -> SightingFilter:
        one = table.iloc[row]
        high = one["to_score"] if one["to_score"] == 1 else one["to_score"] - _LESS
        return {"label": one["label"], "min_confidence": float(one["from_score"]),
                "max_confidence": float(high)}  # fmt: skip

    return Chart("scores", "Peak scores", figure, table, data.notes, part)


def _shown(table: pd.DataFrame) -> list[float]:
    seen = table["from_score"][table["sightings"] > 0]
    return [float(seen.min()) - 0.01 if len(seen) else 0.0, 1.01]


def _histogram(
    data: ChartData, at: np.ndarray, columns: tuple[str, str], edges: Sequence[float]
) -> pd.DataFrame:
    bins = len(edges) - 1
    tables = []
    for number, label in enumerate(data.labels):
        counts = np.bincount(at[data.label == number], minlength=bins)
        hours = np.full(bins, data.analysed_h[number])
        rates = rate_columns(counts, hours, count_rates(counts, hours))
        low, high = columns
        tables.append(pd.DataFrame({"label": label, low: edges[:-1], high: edges[1:], **rates}))
    of_rates = ["sightings", "analysed_h", "per_hour", "low", "high"]
    empty = pd.DataFrame(columns=["label", *columns, *of_rates])
    return pd.concat(tables, ignore_index=True) if tables else empty


def _draw(
    figure: Any,
    data: ChartData,
    table: pd.DataFrame,
    names: Sequence[str],
    place: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """A bar for each row of a histogram, at its name unless a place is given."""
    for number, label in enumerate(data.labels):
        rows = table.iloc[number * len(names) : (number + 1) * len(names)]
        words = [f"{name}<br>{text}" for name, text in zip(names, rate_words(rows))]
        x = list(names) if place is None else place(np.arange(len(names)))
        add_points(figure, rows, x, words, name=label, colour=data.colours[label])
    figure.update_layout(showlegend=True)
    if not len(data):
        say_nothing(figure, "no sighting")


def _span(low_s: float, high_s: float | None) -> str:
    if high_s is None:
        return f"{low_s / 3600:g} h and more"
    if high_s <= 60:
        return f"{low_s:g} to {high_s:g} s"
    if high_s <= 3600:
        return f"{low_s / 60:g} to {high_s / 60:g} min"
    return f"{low_s / 3600:g} to {high_s / 3600:g} h"
