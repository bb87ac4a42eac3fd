"""Stored sightings: filters, pictures, replay, downloads."""

from __future__ import annotations

import base64
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from lab.app.server.downloads import sightings_address
from lab.app.server.state import AppState
from lab.app.ui.shared import here, shortened
from lab.app.ui.widgets.charts_view import charts_view
from lab.app.ui.widgets.choices import Name, as_they_are, choose_some
from lab.app.ui.widgets.missing_clips import say_missing
from lab.app.ui.widgets.pager import pager
from lab.app.ui.widgets.rule_state import go_to_moment
from lab.app.ui.widgets.rules_choice import sightings_of_rules
from lab.formats.markdown import isolated
from lab.media_time import media_time
from lab.rules.rule import Rule
from lab.store.sightings import SightingFilter
from lab.store.store import Store
from lab.store.tables import sighting_rows

_PAGE = 50
_STEPS_US = [100_000, 500_000, 1_000_000, 5_000_000, 10_000_000, 60_000_000, 300_000_000]
_TIMES = ("onset_s", "offset_s", "alert_s")
# The words of Review's table.
_ENDS = {"exit": "exit", "end": "end of the clip", "cancelled": "run cancelled",
         "error": "run failed"}  # fmt: skip
_SHOWN = ["picture", "media", "site", "label", "onset_s", "offset_s", "duration_s",
          "peak_confidence", "alert_s", "close_reason", "rule_name", "run_id"]  # fmt: skip


def stored_sightings() -> None:
    """The whole page below its title."""
    app_state = here()
    store = app_state.store
    stored = store.count_sightings()
    if not stored:
        st.info("No sighting is stored yet. Tune a run, then choose “Save sightings” there.")
        st.page_link("pages/review.py", label="Go to Review", icon=":material/movie:")
        if store.count_runs():
            _effort_download(st)
        return
    columns = st.columns(5, vertical_alignment="bottom")
    of_rules = sightings_of_rules(store, columns[0])
    total = store.count_sightings(**of_rules)
    wanted = of_rules | _chosen(store, of_rules, columns[1:]) | _of_chart()
    count, last_us = store.sightings_extent(**wanted)
    if ranges := _ranges(last_us):
        wanted |= ranges
        count = store.count_sightings(**wanted)
    first, second, third = st.columns([2, 1, 1], vertical_alignment="bottom")
    first.markdown(f"**{count:,} of {total:,} sightings.** Click one to replay it.")
    second.link_button("Sightings as CSV", sightings_address(wanted), width="stretch")
    _effort_download(third)
    if of_rules.get("current") and total < stored:
        st.caption(
            f"These are of the rules that were applied to all clips; {stored - total:,} of other "
            "rules are saved as well: choose them under Rules."
        )
    if not count:
        st.info("No sighting matches these filters.")
        return
    if _charts(app_state, wanted):
        return
    row = pager("sightings", count, _PAGE, of=wanted)
    raw = store.sightings(limit=_PAGE, offset=row, **wanted)
    if raw:  # none if another process replaces them now
        _table(app_state, raw)


def _of_chart() -> SightingFilter:
    """What was clicked in a chart."""
    part: SightingFilter = st.session_state.get("chart_part", {})
    if part and st.button("All of the chart", icon=":material/close:"):
        st.session_state.chart_part = part = {}
    return part


def _charts(app_state: AppState, wanted: SightingFilter) -> bool:
    """Charts instead of the table, if they are chosen."""
    views = {"table": "Table", "charts": "Charts"}
    if "sightings_view" not in st.session_state:
        given = st.query_params.get("view")
        st.session_state.sightings_view = given if given in views else "table"
    if st.session_state.pop("chart_narrowed", False):
        st.session_state.sightings_view = "table"
    view = st.segmented_control(
        "View", list(views), format_func=views.__getitem__, required=True, key="sightings_view",
        label_visibility="collapsed",
    )  # fmt: skip

    def narrow(part: SightingFilter) -> None:
        st.session_state.chart_part = part
        st.session_state.chart_narrowed = True
        st.rerun()

    if view == "charts":
        charts_view(app_state, wanted, narrow)
    return view == "charts"


def _effort_download(place: Any) -> None:
    place.link_button("Effort as CSV", "/api/effort.csv", width="stretch")


def _chosen(store: Store, of_rules: SightingFilter, columns: Sequence[Any]) -> SightingFilter:
    wanted: SightingFilter = {}
    naming: dict[str, Name] = defaultdict(lambda: as_they_are)
    naming["media_id"] = store.names_of_media
    for column, (name, text) in zip(
        columns,
        [("media_id", "Clip"), ("site", "Site"), ("label", "Label"), ("run_id", "Run")],
        strict=True,
    ):

        def find(words: str, limit: int, name: str = name) -> dict[str, str]:
            found = store.sighting_counts(name, containing=words, limit=limit, **of_rules)
            return dict(naming[name](list(found)))

        picked = choose_some(
            column, text, find, f"filter_{name}", what="Parts of it", name=naming[name],
            placeholder="All",
        )  # fmt: skip
        if picked:
            wanted[name] = picked  # type: ignore[literal-required]
    return wanted


def _ranges(last_us: int) -> SightingFilter:
    """last_us: the latest end of the sightings that are chosen among."""
    wanted: SightingFilter = {}
    left, right = st.columns(2)
    low, high = left.slider("Peak score", 0.0, 1.0, (0.0, 1.0), 0.01)
    times = _steps(last_us)
    begin, end = right.select_slider(
        "Time in the clip", times, (times[0], times[-1]), format_func=media_time
    )
    if (low, high) != (0.0, 1.0):
        wanted["min_confidence"], wanted["max_confidence"] = low, high
    if (begin, end) != (times[0], times[-1]):
        wanted["during_us"] = (begin, end)
    return wanted


def _steps(last_us: int) -> list[int]:
    """Times from 0 to beyond the last one, in microseconds, in at most 600 round steps."""
    step_us = next((s for s in _STEPS_US if last_us <= 600 * s), _STEPS_US[-1])
    return list(range(0, last_us + 2 * step_us, step_us))


def _table(app_state: AppState, raw: list[dict[str, Any]]) -> None:
    rows = sighting_rows(app_state.store, raw)
    names = app_state.store.names_of_media({row["media_id"] for row in raw})
    for row, full in zip(rows, raw, strict=True):
        row["rule"], row["peak_us"] = full["rule"], full["peak_us"]
        row["media"] = isolated(shortened(names.get(row["media_id"], row["media"] or "?")))
    missing = _want_missing(app_state, rows)
    frame = pd.DataFrame([{**r, "picture": _picture(app_state, r)} for r in rows])[_SHOWN]
    for name in _TIMES:
        frame[name] = [_as_time(value) for value in frame[name]]
    frame["close_reason"] = frame["close_reason"].map(_ENDS)
    frame["site"] = frame["site"].fillna("")
    frame["rule_name"] = frame["rule_name"].fillna("")
    event = st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        row_height=52,
        key=f"stored_{rows[0]['sighting_id']}_{rows[-1]['sighting_id']}",  # a row is a number
        column_config={
            "picture": st.column_config.ImageColumn("Picture", width="small"),
            "media": "Clip",
            "onset_s": "Onset",
            "offset_s": "Offset",
            "duration_s": st.column_config.NumberColumn("Duration", format="%.2f s"),
            "peak_confidence": st.column_config.NumberColumn("Peak score", format="%.2f"),
            "alert_s": "Alert",
            "close_reason": "Ended by",
            "rule_name": "Rule",
            "run_id": "Run",
            "site": "Site",
            "label": "Label",
        },
    )
    picked = event["selection"]["rows"] or [cell[0] for cell in event["selection"]["cells"]]
    # By keys the table gives its first cell alone, for that is opened at once.
    chosen = st.selectbox(
        "Open in Review",
        range(len(rows)),
        index=None,
        format_func=lambda i: _words(rows[i]),
        placeholder="Choose a sighting, or click it in the table",
    )
    if chosen is not None:
        picked = [chosen]
    if picked:
        _replay(rows[picked[0]])
    if missing:
        st.fragment(_look_again, run_every=1.0)(app_state)


def _as_time(pts_s: float | None) -> str:
    return "–" if pts_s is None or math.isnan(pts_s) else media_time(round(pts_s * 1e6))


def _words(row: dict[str, Any]) -> str:
    return f"{row['label']} at {_as_time(row['onset_s'])}, {row['media']}"


def _file(app_state: AppState, row: dict[str, Any]) -> Path:
    return app_state.store.pictures_folder(row["media_id"]) / f"{row['peak_us']}.jpg"


def _want_missing(app_state: AppState, rows: list[dict[str, Any]]) -> bool:
    """Request missing pictures from a worker, one job per clip; whether any are being made."""
    wanted: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        if row["media_path"] and not _file(app_state, row).exists():
            wanted.setdefault((row["media_id"], row["media_path"]), []).append(row["peak_us"])
    gone = []
    for (media_id, path), times in wanted.items():
        if app_state.checked_media(media_id)[1] is None:
            app_state.want_pictures(media_id, path, times)
        else:
            gone.append(media_id)
    say_missing(app_state, gone, "Sightings stay; those that have no picture yet get none.")
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
    """Open the moment in Review, with the boxes and the rule that found it."""
    go_to_moment(row["run_id"], Rule.from_dict(json.loads(row["rule"])), row["onset_s"])
