"""The deployments of a store as a table and a map; one of them is opened to be changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import table_height
from lab.app.ui.widgets.deployment_form import NEW, show_form
from lab.app.ui.widgets.deployment_import import show_import
from lab.counted import counted
from lab.formats.markdown import plain
from lab.study.deployments import deployment_rows
from lab.study.doubts import doubts_about

_DOUBTS = 8  # that are shown at once
_MANY, _MOST_AS_SVG = 300, 5000  # points of the map
_OPENED = "deployment_opened"
_TURN = "deployment_turn"  # another one begins with nothing marked
_LOOK = "To look at"
_COLUMNS = {
    "deployment_id": "Deployment",
    "site": "Site",
    "clips": "Clips",
    "look": _LOOK,
    "camera_id": "Camera",
    "start": "Start",
    "end": "End",
    "zone": "Zone of its clock",
    "working_days": "Days",
    "failures": "Failures",
    "anchors": "Anchors",
    "latitude": "Latitude",
    "longitude": "Longitude",
}
_HELP = {
    "Days": "From start to end, less its failures.",
    "Zone of its clock": "In which the camera's clock runs: a name changes to summer time, an "
    "offset never does.",
    _LOOK: "What is in doubt about it or its clips.",
}


def show_deployments(app_state: AppState) -> None:
    rows = deployment_rows(app_state.store)
    if not rows:
        st.info(
            "No deployments yet: where each camera stood, and when. Read a table of them, or add "
            "the first one."
        )
        show_import(app_state, is_open=True)
        show_form(app_state, NEW, _close)
        return
    doubts = doubts_about(app_state.store.deployments())
    _say_doubts([one.text for one in doubts])
    doubtful = {one.deployment_id: one.short for one in doubts}
    located = [row for row in rows if row["latitude"] is not None and row["longitude"] is not None]
    opened = st.session_state.get(_OPENED)
    table, place = st.columns([5, 3]) if located else (st.container(), None)
    with table:
        _table(rows, doubtful)
    if place is not None:
        with place:
            _map(located, opened)
    _open(rows)
    if opened is not None and (opened == NEW or opened in {r["deployment_id"] for r in rows}):
        show_form(app_state, opened, _close)
    show_import(app_state)


def _close() -> None:
    """The row and the point that opened it are no longer marked."""
    for name in (_OPENED, "deployment_marked", "deployment_pointed"):
        st.session_state.pop(name, None)
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1


def _say_doubts(texts: list[str]) -> None:
    if not texts:
        return
    with st.expander(f"{counted(len(texts), 'thing')} to look at", icon=":material/warning:"):
        for text in texts[:_DOUBTS]:
            st.caption(plain(text[:1].upper() + text[1:]))
        if len(texts) > _DOUBTS:
            st.caption(f"{len(texts) - _DOUBTS:,} more; the table marks them.")


def _table(rows: list[dict[str, Any]], doubtful: Mapping[str | None, str]) -> None:
    shown = [
        row
        | {
            "failures": len(row["failures"]),
            "anchors": len(row["anchors"]),
            "camera_id": row["camera_id"] or "",
            "working_days": round(row["working_days"], 2),
            "start": row["start"][:16].replace("T", " "),
            "end": row["end"][:16].replace("T", " "),
            "look": ", ".join(_to_look_at(row, doubtful.get(row["deployment_id"]))),
        }
        for row in rows
    ]
    frame = pd.DataFrame(shown, columns=list(_COLUMNS)).rename(columns=_COLUMNS)
    picked = st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        height=table_height(len(rows), 420),
        on_select="rerun",
        selection_mode="single-row",
        key=f"deployment_table_{st.session_state.get(_TURN, 0)}",
        column_config={
            name: st.column_config.Column(
                help=_HELP.get(name), width="medium" if name in ("Site", _LOOK) else None
            )
            for name in _COLUMNS.values()
        },
        placeholder="",
    )
    marked = picked["selection"]["rows"]
    found = rows[marked[0]]["deployment_id"] if marked and marked[0] < len(rows) else None
    if found != st.session_state.get("deployment_marked"):
        st.session_state.deployment_marked = found
        if found is not None:
            st.session_state[_OPENED] = found
            st.rerun()


def _to_look_at(row: dict[str, Any], doubt: str | None) -> list[str]:
    words = [doubt] if doubt is not None else []
    for name, text in (
        ("without_start", "without a start"),
        ("outside", "outside of the period"),
        ("timestamp_issues", "at a change of the clock"),
    ):
        if row[name]:
            words.append(f"{counted(row[name], 'clip')} {text}")
    return words


def _map(rows: list[dict[str, Any]], opened: str | None) -> None:
    """Sites by their coordinates, a degree of latitude as long as it is there."""
    middle = sum(row["latitude"] for row in rows) / len(rows)
    groups = {
        "with clips": [row for row in rows if row["clips"]],
        "without clips": [row for row in rows if not row["clips"]],
    }
    chart = go.Figure()
    # WebGL is slow to begin without a graphics card, and needed only by very many points.
    draw = chart.add_scatter if len(rows) <= _MOST_AS_SVG else chart.add_scattergl
    size = 10 if len(rows) <= _MANY else 6
    for name, group in groups.items():
        if group:
            draw(
                x=[row["longitude"] for row in group],
                y=[row["latitude"] for row in group],
                name=name,
                mode="markers",
                marker={
                    "size": [15 if row["deployment_id"] == opened else size for row in group],
                    "opacity": 1 if len(rows) <= _MANY else 0.7,
                    "symbol": "circle" if name == "with clips" else "circle-open",
                },
                customdata=[row["deployment_id"] for row in group],
                text=[_as_html(f"{row['site']} · {row['deployment_id']}") for row in group],
                hovertemplate="%{text}<br>%{y:.5f}, %{x:.5f}<extra></extra>",
            )
    chart.update_layout(
        height=420,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis_title="Longitude, degrees",
        yaxis_title="Latitude, degrees",
        legend={"orientation": "h", "y": 1.12},
        showlegend=len([group for group in groups.values() if group]) > 1,
    )
    # A degree of longitude is shorter by the cosine of the latitude.
    ratio = 1 / max(math.cos(math.radians(middle)), 0.05)
    chart.update_yaxes(scaleanchor="x", scaleratio=ratio, automargin=True)
    if len({(row["latitude"], row["longitude"]) for row in rows}) == 1:
        chart.update_xaxes(range=[rows[0]["longitude"] - 0.01, rows[0]["longitude"] + 0.01])
    event = st.plotly_chart(
        chart,
        key=f"deployment_map_{st.session_state.get(_TURN, 0)}",
        on_select="rerun",
        selection_mode="points",
        width="stretch",
    )
    points = event["selection"]["points"]
    found = points[0].get("customdata") if points else None
    found = found[0] if isinstance(found, list) else found
    if found != st.session_state.get("deployment_pointed"):
        st.session_state.deployment_pointed = found
        if found is not None:
            st.session_state[_OPENED] = found
            st.rerun()


def _as_html(text: str) -> str:
    """Plotly shows some HTML in texts."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _open(rows: list[dict[str, Any]]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button("Add a deployment", icon=":material/add_location:"):
            st.session_state[_OPENED] = NEW
            st.rerun()
        st.caption(
            f"{counted(len(rows), 'deployment')} · choose a row or a point to change it",
            width="content",
        )
