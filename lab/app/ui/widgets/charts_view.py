"""Charts of the sightings that are wanted: a click on one shows what it is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.choices import choose_one
from lab.app.ui.widgets.notes import sentence
from lab.app.ui.widgets.sighting_address import Shown, write_address
from lab.charts import CHARTS, Chart, ChartData, make_chart, read_chart_data
from lab.charts.chart import narrowed
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.store.sightings import SightingFilter

_USUAL, _LAST = "activity", "sightings_chart_last"
_BY_IDS = ("sun", "together", "positions")
_UNITS = {"week": "Weeks", "month": "Months", "quarter": "Quarters", "year": "Years",
          "split": "Before and after"}  # fmt: skip
_PICTURES = {"png": "PNG", "svg": "SVG"}
# In a narrow window the chart's buttons lie above it, for the legend takes all the width.
_NARROW = """<style>
@media (max-width: 760px) {
  [data-testid="stElementContainer"]:has(> * > [data-testid="stPlotlyChart"]) {
    margin-top: 28px; overflow: visible;
  }
  [data-testid="stPlotlyChart"] .js-plotly-plot { overflow: visible !important; }
  [data-testid="stPlotlyChart"] .modebar-container { top: -36px !important; }
}
</style>"""

Narrow = Callable[[SightingFilter], None]


def charts_view(app_state: AppState, shown: Shown, narrow: Narrow) -> None:
    """One chart at a time, with its table and downloads.

    narrow: adds conditions to those of the page, and shows the table.
    """
    name = _chosen_chart(shown)
    title, options, files = st.columns([3, 5, 1.9], vertical_alignment="bottom")
    try:
        data = _data(app_state, shown.wanted)
        with options:
            chosen = _options(app_state, name, data)
        chart = make_chart(name, data, **chosen)
    except LabError as error:
        st.error(plain(error))
        return
    title.subheader(plain(chart.title), anchor=False)
    with files.popover("Download", icon=":material/download:", width="stretch"):
        kind = _downloads(chart)
    picked = _figure(chart, kind)
    if chart.name in _BY_IDS and len(chart.table):
        st.caption("A click shows at most the first 100 of its sightings.")
    for note in chart.notes:
        st.caption(plain(sentence(note)))
    picked = _table(chart, picked)
    if picked is not None:
        part = narrowed(data.wanted, chart.part(picked))
        if data.is_judged and "sighting_id" not in part:
            part["as_judged"] = True
        narrow(part)


def _chosen_chart(shown: Shown) -> str:
    """That of the address, else the one that was shown last."""
    state, key = st.session_state, "sightings_chart"
    name = shown.chart or state.get(_LAST, _USUAL)
    if state.get(key) != name:
        state[key] = name
    st.pills(
        "Chart",
        list(CHARTS),
        format_func=lambda one: CHARTS[one][0],
        required=True,
        key=key,
        on_change=lambda: write_address(shown.changed(chart=state[key])),
        label_visibility="collapsed",
    )
    state[_LAST] = name
    if shown.chart != name:
        st.query_params["chart"] = name
    return str(name)


def _data(app_state: AppState, wanted: SightingFilter) -> ChartData:
    store = app_state.store
    text = json.dumps(wanted, sort_keys=True, default=str)
    return _read(app_state, wanted, (str(store.folder), text, *_state_of(store.folder)))


def _state_of(folder: Path) -> tuple[int, ...]:
    """Changes with the catalog."""
    found = []
    for name in ("catalog.duckdb", "catalog.duckdb.wal"):
        try:
            stat = (folder / name).stat()
            found += [stat.st_mtime_ns, stat.st_size]
        except OSError:
            found += [0, 0]
    return tuple(found)


@st.cache_resource(max_entries=3, show_spinner=False, ttl=600)
def _read(_app_state: AppState, _wanted: SightingFilter, key: tuple[Any, ...]) -> ChartData:
    return read_chart_data(_app_state.store, **_wanted)


def _options(app_state: AppState, name: str, data: ChartData) -> dict[str, Any]:
    """What a chart is asked beside the filters."""
    if name == "periods":
        return _periods()
    if name in ("activity", "sun"):
        return _groups(data)
    if name == "sites":
        return _reference(data)
    return _clip(app_state, data) if name == "positions" else {}


def _periods() -> dict[str, Any]:
    place = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    by = place.segmented_control(
        "Periods",
        list(_UNITS),
        format_func=_UNITS.__getitem__,
        default="month",
        required=True,
        key="chart_periods",
        persist_state="session",
        width="content",
    )
    if by != "split":
        return {"by": by}
    day = place.date_input("From", key="chart_split", persist_state="session", width=150)
    return {"split": datetime.combine(day, time())} if day else {}


def _groups(data: ChartData) -> dict[str, Any]:
    if len(data.runs.sites[0]) < 2:
        return {}
    chosen = st.segmented_control(
        "Intervals from",
        ["day", "site"],
        format_func={"day": "Days", "site": "Sites"}.__getitem__,
        default="day",
        required=True,
        key="chart_groups",
        persist_state="session",
        help="What is resampled: days say how sure the rate is at these sites, sites how sure it "
        "is of others like them.",
    )
    return {"groups": chosen}


def _reference(data: ChartData) -> dict[str, Any]:
    names = [name for name in data.runs.sites[0] if name]
    if len(names) < 2:
        return {}
    chosen = st.selectbox(
        "Compare with",
        names,
        index=None,
        placeholder="The site with the most analysed hours",
        key="chart_reference",
        width=320,
    )
    return {"reference": chosen}


def _clip(app_state: AppState, data: ChartData) -> dict[str, Any]:
    store = app_state.store

    def find(words: str, limit: int) -> dict[str, str]:
        found = store.sighting_counts("media_id", containing=words, limit=limit, **data.wanted)
        return store.names_of_media(list(found))

    place = st.container(width=320)
    chosen = choose_one(
        place, "Clip", find, "chart_clip", what="Parts of its path", name=store.names_of_media
    )
    if chosen is not None:
        _want_picture(app_state, chosen)
    return {"clip": chosen}


def _want_picture(app_state: AppState, media_id: str) -> None:
    """Request one of the clip where the store has none; the page shows it once it is made."""
    store = app_state.store
    if any(store.pictures_folder(media_id).glob("*.jpg")):
        return
    found = store.sightings(media_id=media_id, order="confidence", limit=1)
    if not found or app_state.checked_media(media_id)[1] is not None:
        return
    app_state.want_pictures(media_id, found[0]["path"], [found[0]["peak_us"]])
    st.fragment(_look_again, run_every=1.0)(app_state)


def _look_again(app_state: AppState) -> None:
    if not any(job.is_active and job.kind == "pictures" for job in app_state.engine.jobs()):
        st.rerun()


def _figure(chart: Chart, kind: str) -> int | None:
    """The row of the table that was clicked. kind: of the picture that the camera saves."""
    st.html(_NARROW)
    event = st.plotly_chart(
        chart.figure,
        on_select="rerun",
        selection_mode="points",
        key=f"chart_{chart.name}_{len(chart.table)}",
        config={
            "displaylogo": False,
            "displayModeBar": True,
            "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
            "toImageButtonOptions": {"format": kind, "filename": chart.name, "scale": 2},
        },
        alt=chart.title,
    )
    return _row_of(event["selection"]["points"], len(chart.table))


def _row_of(points: list[dict[str, Any]], rows: int) -> int | None:
    for point in points:
        found = point.get("customdata")
        found = found[0] if isinstance(found, list | tuple) and found else found
        if isinstance(found, int | float) and 0 <= found < rows:
            return int(found)
    return None


def _downloads(chart: Chart) -> str:
    kind = st.segmented_control(
        "Picture",
        list(_PICTURES),
        format_func=_PICTURES.__getitem__,
        default="png",
        required=True,
        key="chart_picture",
        persist_state="session",
        help="What the camera above the chart saves.",
    )
    st.download_button(
        "Chart as HTML", lambda: chart.to_html().encode(), f"{chart.name}.html", "text/html",
        key="chart_html", on_click="ignore", width="stretch",
    )  # fmt: skip
    st.download_button(
        "Table as CSV", lambda: chart.to_csv().encode(), f"{chart.name}.csv", "text/csv",
        key="chart_csv", on_click="ignore", width="stretch",
    )  # fmt: skip
    return kind or "png"


def _table(chart: Chart, picked: int | None) -> int | None:
    """The table behind the chart; a click on a row counts as one on the chart."""
    with st.expander("Table", icon=":material/table_rows:"):
        event = st.dataframe(
            _shown(chart.table),
            hide_index=True,
            width="stretch",
            height="auto",
            on_select="rerun",
            selection_mode="single-row",
            key=f"chart_table_{chart.name}_{len(chart.table)}",
            placeholder="",
        )
    rows = event["selection"]["rows"]
    return int(rows[0]) if rows and picked is None else picked


def _shown(table: pd.DataFrame) -> Any:
    return table.rename(columns=lambda name: name.replace("_", " "))
