"""Where in the picture of a clip something was seen."""

from __future__ import annotations

import base64
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lab.charts.chart import Chart, new_figure, say_nothing
from lab.charts.daily import MOST_IDS
from lab.charts.data import ChartData, chart_data
from lab.errors import SettingError
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.score_log.score_log import ScoreLog
from lab.store.sightings import SightingFilter

_ACROSS = 32  # cells
_COLUMNS = ["x_px", "y_px", "width_px", "height_px", "boxes", "present_s", "analysed_h",
            "seconds_per_hour"]  # fmt: skip


def positions(
    given: Any = None,
    *,
    clip: str | None = None,
    picture: Path | None = None,
    **wanted: Unpack[SightingFilter],
) -> Chart:
    """Seconds of presence an analysed hour by place in the picture, for one clip.

    Each box of a sighting counts where its centre is, for one sampling interval, in squares of
    1/32 of the picture's width; boxes count as the rule counts them: from its exit threshold on,
    where its box filter lets them through. clip: its media_id; by default the one with the most
    sightings of those whose logs are there. picture: a JPEG to show below; by default one of the
    store's. The logs of the clip's runs are read. Raises SettingError for a clip without an
    analysis or a log, StoreError for a log that cannot be read.
    """
    data = chart_data(given, wanted)
    clip = _clip(data, clip)
    if clip is None:
        has_any = len(data) > 0
        return _empty(
            data, "the score logs of all clips were removed" if has_any else "no sighting"
        )
    runs = np.flatnonzero((data.runs.media_id == clip) & data.runs.has_log)
    if not len(runs):
        name = data.store.media(clip)["name"]
        raise SettingError(
            f"the score log of {name} was removed, in which its boxes were; make it again "
            "(lab analyze --resume RUN), or choose another clip"
        )
    found = [_boxes(data, int(run)) for run in runs]
    media = data.store.media(clip)
    size_px = media["width_px"], media["height_px"]
    boxes = pd.concat(found, ignore_index=True)
    cell_px = size_px[0] / _ACROSS
    boxes["column"] = np.clip((boxes["x_px"] // cell_px).astype(int), 0, _ACROSS - 1)
    down = max(1, int(np.ceil(size_px[1] / cell_px)))
    boxes["row"] = np.clip((boxes["y_px"] // cell_px).astype(int), 0, down - 1)
    hours = float(data.run_hours[runs].sum())
    table = _table(boxes, cell_px, hours)
    figure = new_figure("", "", height=520)
    _draw(figure, table, size_px, cell_px, down, picture or _picture(data, clip))
    if not len(table):
        say_nothing(figure, "no box of a sighting in this clip")
    cells = boxes.groupby(["row", "column"], sort=True)["sighting"].unique().tolist()

    def part(row: int) -> SightingFilter:
        return {"sighting_id": data.ids(np.sort(cells[row])[:MOST_IDS])}

    title = f"Positions in {media['name']}"
    return Chart("positions", title, figure, table, data.notes, part)


def _clip(data: ChartData, media_id: str | None) -> str | None:
    if media_id is not None:
        if media_id not in set(data.runs.media_id):
            raise SettingError(
                f"no analysis of clip {media_id!r} is among these; analyse it, or choose another"
            )
        return media_id
    if not len(data):
        return None
    run = data.run[data.runs.has_log[data.run]]
    if not len(run):
        return None
    counts = np.bincount(data.runs.clip[run])
    first = np.flatnonzero(data.runs.clip == np.argmax(counts))[0]
    return str(data.runs.media_id[first])


def _boxes(data: ChartData, number: int) -> pd.DataFrame:
    """The boxes of a run's sightings: centres, seconds that each stands for, whose they are."""
    at = np.flatnonzero(data.run == number)
    empty = pd.DataFrame({"x_px": [], "y_px": [], "seconds": [], "sighting": []})
    if not len(at):
        return empty.astype({"sighting": np.int64})
    run = Run(data.store, str(data.runs.run_id[number]))
    rules = data.store.rules_of(data.ids(at))
    parts = [empty.astype({"sighting": np.int64})]
    for place, rule in zip(at.tolist(), rules, strict=True):
        label = data.logged[place].as_py()
        rows = _rows(run, label, rule, int(data.onset_us[place]), int(data.end_us[place]))
        box = run.log.box_xyxy_px[rows].astype(float)
        centre = (box[:, :2] + box[:, 2:]) / 2
        parts.append(
            pd.DataFrame(
                {
                    "x_px": centre[:, 0],
                    "y_px": centre[:, 1],
                    "seconds": run.sample_interval_s,
                    "sighting": place,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _rows(run: Run, label: str, rule: Rule, onset_us: int, end_us: int) -> np.ndarray:
    """The positions of the boxes of a sighting in its log."""
    log: ScoreLog = run.log
    begin, end = np.searchsorted(log.pts_us, [onset_us, end_us + 1]).tolist()
    rows = log.rows_between(begin, end)
    of_label, wanted = log.labels.index(label), rule.of(label)
    rows = rows[
        (log.label[rows] == of_label) & (log.confidence[rows] >= wanted.debounce.exit_threshold)
    ]
    if wanted.box_filter.passes_all:
        return rows
    width_px, height_px = run.size_px
    passes = partial(wanted.box_filter.mask, width_px=width_px, height_px=height_px)
    return rows[passes(log.box_xyxy_px[rows])]


def _table(boxes: pd.DataFrame, cell_px: float, hours: float) -> pd.DataFrame:
    found = boxes.groupby(["row", "column"], sort=True)["seconds"].agg(["size", "sum"])
    found = found.reset_index()
    table = pd.DataFrame(
        {
            "x_px": found["column"] * cell_px,
            "y_px": found["row"] * cell_px,
            "width_px": cell_px,
            "height_px": cell_px,
            "boxes": found["size"],
            "present_s": found["sum"],
            "analysed_h": hours,
            "seconds_per_hour": found["sum"] / hours if hours else np.nan,
        }
    )
    return table[_COLUMNS]


def _draw(
    figure: go.Figure,
    table: pd.DataFrame,
    size_px: tuple[int, int],
    cell_px: float,
    down: int,
    picture: Path | None,
) -> None:
    width, height = size_px
    if picture is not None:
        source = "data:image/jpeg;base64," + base64.b64encode(picture.read_bytes()).decode()
        figure.add_layout_image(
            source=source, xref="x", yref="y", x=0, y=0, sizex=width, sizey=height,
            sizing="stretch", layer="below",
        )  # fmt: skip
    column = (table["x_px"] / cell_px).round().astype(int)
    row = (table["y_px"] / cell_px).round().astype(int)
    value = np.full((down, _ACROSS), np.nan)
    value[row, column] = table["seconds_per_hour"]
    top = max(float(np.nanmax(np.append(table["seconds_per_hour"], 0.0))), 1e-9)
    centre = (np.arange(max(down, _ACROSS)) + 0.5) * cell_px
    figure.add_trace(
        go.Heatmap(
            x=centre[:_ACROSS],
            y=centre[:down],
            z=value,
            colorscale="Viridis",
            zmin=0,
            zmax=top,
            opacity=0.6,
            hoverinfo="skip",
            colorbar={"title": {"text": "s an hour"}},
        )
    )
    words = [
        f"{rate:.3g} s an analysed hour<br>{n:,} boxes, {seconds:,.3g} s"
        for rate, n, seconds in zip(table["seconds_per_hour"], table["boxes"], table["present_s"])
    ]
    # A heat map cannot be clicked to select: these points lie over its cells.
    figure.add_trace(
        go.Scatter(
            x=table["x_px"] + cell_px / 2,
            y=table["y_px"] + cell_px / 2,
            mode="markers",
            marker={"symbol": "square", "size": 18, "opacity": 0},
            showlegend=False,
            customdata=table.index.to_numpy(),
            hovertext=words,
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    figure.add_shape(
        type="rect", x0=0, y0=0, x1=width, y1=height, line={"color": "#888888", "width": 1}
    )
    bare = {"showgrid": False, "showticklabels": False, "zeroline": False, "constrain": "domain"}
    figure.update_xaxes(range=[-1, width + 1], **bare)
    figure.update_yaxes(range=[height + 1, -1], scaleanchor="x", rangemode="normal", **bare)


def _picture(data: ChartData, media_id: str) -> Path | None:
    """One that the store has already."""
    found = sorted(data.store.pictures_folder(media_id).glob("*.jpg"))
    return found[len(found) // 2] if found else None


def _empty(data: ChartData, why: str) -> Chart:
    figure = new_figure("", "")
    say_nothing(figure, escape(why))
    return Chart("positions", "Positions", figure, pd.DataFrame(columns=_COLUMNS), data.notes)
