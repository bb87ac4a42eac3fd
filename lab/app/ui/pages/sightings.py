"""Stored sightings: filters, pictures, replay, downloads."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import here, plain
from lab.app.ui.widgets.rule_state import go_to_moment
from lab.formats.csv import to_csv
from lab.rules.rule import Rule
from lab.store.tables import EFFORT_COLUMNS, STORED_SIGHTING_COLUMNS, effort_rows, sighting_rows

_SHOWN = ["picture", "media", "site", "label", "onset_s", "offset_s", "duration_s",
          "peak_confidence", "alert_s", "close_reason", "rule_name", "run_id"]  # fmt: skip


def stored_sightings() -> None:
    """The whole page below its title."""
    app_state = here()
    raw = app_state.store.sightings()
    if not raw:
        st.info("No sighting is stored yet. Tune a run, then choose “Save sightings” there.")
        st.page_link("pages/tune.py", label="Go to Tune", icon=":material/tune:")
        _effort_download(app_state)
        return
    rows = sighting_rows(app_state.store, raw)
    for row, full in zip(rows, raw, strict=True):
        row["rule"], row["peak_us"] = full["rule"], full["peak_us"]
    rows = _filtered(rows)
    first, second, third = st.columns([2, 1, 1], vertical_alignment="bottom")
    first.markdown(f"**{len(rows)} of {len(raw)} sightings.** Click one to replay it.")
    second.download_button(
        "Sightings as CSV",
        to_csv(rows, STORED_SIGHTING_COLUMNS),
        "sightings.csv",
        "text/csv",
        width="stretch",
    )
    with third:
        _effort_download(app_state)
    if not rows:
        st.info("No sighting matches these filters.")
        return
    _table(app_state, rows)


def _effort_download(app_state: AppState) -> None:
    rows = effort_rows(app_state.store)
    if rows:
        st.download_button(
            "Effort as CSV", to_csv(rows, EFFORT_COLUMNS), "effort.csv", "text/csv", width="stretch"
        )


def _filtered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    columns = st.columns(4)
    for column, (name, text) in zip(
        columns,
        [("media", "Clip"), ("site", "Site"), ("label", "Label"), ("run_id", "Run")],
        strict=True,
    ):
        values = sorted({str(r[name]) for r in rows if r[name] is not None})
        picked = column.multiselect(text, values, placeholder="All", key=f"filter_{name}")
        if picked:
            rows = [r for r in rows if str(r[name]) in picked]
    left, right = st.columns(2)
    low, high = left.slider("Peak confidence", 0.0, 1.0, (0.0, 1.0), 0.01)
    latest = max([r["offset_s"] for r in rows] or [0.0]) + 1.0
    begin, end = right.slider("Time in the clip, s", 0.0, float(latest), (0.0, float(latest)))
    return [
        r
        for r in rows
        if low <= r["peak_confidence"] <= high and (r["offset_s"] >= begin and r["onset_s"] <= end)
    ]


def _table(app_state: AppState, rows: list[dict[str, Any]]) -> None:
    page_rows = 50
    pages = -(-len(rows) // page_rows)
    page = int(st.number_input("Page", 1, pages, 1)) if pages > 1 else 1
    rows = rows[(page - 1) * page_rows : page * page_rows]
    missing = _want_missing(app_state, rows)
    frame = pd.DataFrame([{**r, "picture": _picture(app_state, r)} for r in rows])[_SHOWN]
    frame["site"] = frame["site"].fillna("")
    frame["rule_name"] = frame["rule_name"].fillna("")
    event = st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        row_height=52,
        key=f"stored_{page}_{len(rows)}",
        column_config={
            "picture": st.column_config.ImageColumn("Peak", width="small"),
            "media": "Clip",
            "onset_s": st.column_config.NumberColumn("Onset, s", format="%.2f"),
            "offset_s": st.column_config.NumberColumn("Offset, s", format="%.2f"),
            "duration_s": st.column_config.NumberColumn("Duration, s", format="%.2f"),
            "peak_confidence": st.column_config.NumberColumn("Peak score", format="%.2f"),
            "alert_s": st.column_config.NumberColumn("Alert, s", format="%.2f"),
            "close_reason": "Ended by",
            "rule_name": "Rule",
            "run_id": "Run",
            "site": "Site",
            "label": "Label",
        },
    )
    picked = event["selection"]["rows"] or [cell[0] for cell in event["selection"]["cells"]]
    if picked:
        _replay(rows[picked[0]])
    if missing:
        st.fragment(_look_again, run_every=1.0)(app_state)


def _file(app_state: AppState, row: dict[str, Any]) -> Path:
    return app_state.store.pictures_folder(row["media_id"]) / f"{row['peak_us']}.jpg"


def _want_missing(app_state: AppState, rows: list[dict[str, Any]]) -> bool:
    """Request missing pictures from a worker, one job per clip; whether any are being made."""
    wanted: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        if row["media_path"] and not _file(app_state, row).exists():
            wanted.setdefault((row["media_id"], row["media_path"]), []).append(row["peak_us"])
    for (media_id, path), times in wanted.items():
        problem = app_state.checked_media(media_id)[1]
        if problem is not None:
            st.caption(plain(f"No pictures: {problem}"))
            continue
        app_state.want_pictures(media_id, path, times)
    return any(job.is_active and job.kind == "pictures" for job in app_state.engine.jobs())


def _look_again(app_state: AppState) -> None:
    if not any(job.is_active and job.kind == "pictures" for job in app_state.engine.jobs()):
        st.rerun()


def _picture(app_state: AppState, row: dict[str, Any]) -> str | None:
    """A data URL: the grid cannot send the app's cookie with an image request of its own."""
    file = _file(app_state, row)
    if not file.exists():
        return None
    return "data:image/jpeg;base64," + base64.b64encode(file.read_bytes()).decode()


def _replay(row: dict[str, Any]) -> None:
    """Open the moment on Tune, with the boxes and the rule that found it."""
    go_to_moment(row["run_id"], Rule.from_dict(json.loads(row["rule"])), row["onset_s"])
