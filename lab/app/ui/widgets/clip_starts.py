"""When clips began: from their files, names or a table; what is known, and what is in doubt."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from lab.app.server.computations import Report
from lab.app.server.state import AppState
from lab.app.ui.shared import table_height
from lab.app.ui.widgets.notes import sentence
from lab.app.ui.widgets.pager import pager
from lab.app.ui.widgets.progress import is_done
from lab.app.ui.widgets.zones import zone_field
from lab.clock import zone_named
from lab.counted import counted
from lab.deployment import Deployment
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.store.library import ClipFilter
from lab.study.starts import Starts, read_starts

_ROWS, _FOUND = 100, 200
_SOURCES = {
    "name": "Names of the files",
    "metadata": "Metadata of the files",
    "table": "A table",
}
_PATTERNS = ["*{time:%Y%m%d_%H%M%S}*", "*{time:%Y-%m-%d_%H-%M-%S}*", "{time:%Y%m%d%H%M%S}*"]
_ISSUES = {
    "ambiguous": "there twice: the clock is set back",
    "missing": "never there: the clock is set forward",
}


def show_starts(app_state: AppState) -> None:
    if not app_state.store.count_clips():
        st.info("No clips yet.")
        return
    _known_starts(app_state)
    with st.expander("Read starts", expanded=True):
        _read(app_state)


def _read(app_state: AppState) -> None:
    first, second, third = st.columns([2, 3, 2], vertical_alignment="top")
    source = first.selectbox(
        "From", list(_SOURCES), format_func=_SOURCES.__getitem__, key="starts_source"
    )
    with third:
        zone = zone_field("Zone of clips in no deployment", "starts_zone") or None
    replace = first.checkbox(
        "Also those from a better source",
        key="starts_replace",
        help="Entered is better than a table, that than a name, and that than metadata.",
    )
    if source == "name":
        _of_names(app_state, second, zone, replace)
    elif source == "table":
        _of_table(app_state, second, zone, replace)
    else:
        _of_files(app_state, second, zone, replace)


def _of_names(app_state: AppState, place: Any, zone: str | None, replace: bool) -> None:
    pattern = place.selectbox(
        "Pattern",
        _PATTERNS,
        index=None,
        key="starts_pattern",
        accept_new_options=True,
        placeholder=_PATTERNS[0],
        help="{time:...} with %Y year, %m month, %d day, %H hour, %M minute, %S second.",
    )
    if not pattern:
        return
    try:
        found = read_starts(
            app_state.store, "name", pattern, zone=zone, replace=replace, preview=True
        )
    except LabError as error:
        st.error(plain(error))
        return
    _show(found)
    if _keep(found):
        read_starts(app_state.store, "name", pattern, zone=zone, replace=replace)
        _kept(app_state, found)


def _of_table(app_state: AppState, place: Any, zone: str | None, replace: bool) -> None:
    file = place.file_uploader("CSV with the columns media and start", type=["csv", "tsv", "txt"])
    if file is None:
        return
    raw = file.getvalue()
    try:
        found = read_starts(
            app_state.store, "table", file.name, raw=raw, zone=zone, replace=replace, preview=True
        )
    except LabError as error:
        st.error(plain(error))
        return
    _show(found)
    if _keep(found):
        read_starts(app_state.store, "table", file.name, raw=raw, zone=zone, replace=replace)
        _kept(app_state, found)


def _of_files(app_state: AppState, place: Any, zone: str | None, replace: bool) -> None:
    """The files are opened in the background, for there may be thousands."""
    is_local = place.checkbox(
        "The camera writes local time and calls it UTC", key="starts_local_metadata"
    )
    if place.button("Read the files", key="starts_read"):
        st.session_state.starts_asked = uuid.uuid4().hex
    asked = st.session_state.get("starts_asked")
    if not asked:
        return

    def read(report: Report, preview: bool = True) -> Starts:
        return read_starts(
            app_state.store,
            "metadata",
            zone=zone,
            metadata_clock="local" if is_local else "utc",
            replace=replace,
            preview=preview,
            progress=report,
            file_of=app_state.clip_file,
        )

    key = ("starts", asked, zone, is_local, replace)
    work = app_state.computations.get(key, "Reading the files' times", read)
    if not is_done(work):
        return
    found = work.result
    _show(found)
    if _keep(found):
        read(lambda _done, _of: None, preview=False)
        st.session_state.pop("starts_asked")
        _kept(app_state, found)


def _show(found: Starts) -> None:
    issues = sum(one.issue is not None for one in found.found)
    parts = [
        f"**{counted(len(found.found), 'start')} found**",
        f"{issues:,} at a change of the clock",
        f"{found.kept:,} known from a better source",
        f"{len(found.left_out):,} left out",
    ]
    st.markdown(", ".join(parts) + ".")
    for note in found.notes:
        st.caption(plain(sentence(note)))
    if found.found:
        rows = [
            {
                "Clip": one.clip,
                "Camera": one.camera.replace("T", " "),
                "In UTC": one.start or "waits for a zone",
                "In doubt": _ISSUES.get(one.issue or "", ""),
            }
            for one in sorted(found.found[:_FOUND], key=lambda one: one.issue is None)
        ]
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            width="stretch",
            height=table_height(len(rows), 220),
            placeholder="",
        )
    if found.left_out:
        st.caption("Left out, and why:")
        left = [{"Clip": clip, "Why": reason} for clip, reason in found.left_out[:_FOUND]]
        st.dataframe(
            pd.DataFrame(left),
            hide_index=True,
            width="stretch",
            height=table_height(len(left), 180),
            placeholder="",
        )
    if max(len(found.found), len(found.left_out)) > _FOUND:
        st.caption(f"The first {_FOUND} are shown.")


def _keep(found: Starts) -> bool:
    n = len(found.found)
    return st.button(
        f"Keep {counted(n, 'start')}" if n else "Nothing to keep",
        type="primary",
        key="keep_starts",
        disabled=not n,
    )


def _kept(app_state: AppState, found: Starts) -> None:
    for one in found.found:
        app_state.forget(one.media_id)
    st.session_state.sites_message = f"{counted(len(found.found), 'start')} kept."
    st.rerun()


def _known_starts(app_state: AppState) -> None:
    """Of every clip what its camera said, what corrects it, and what is in doubt."""
    store = app_state.store
    doubtful = store.count_clips(has_issue=True)
    wanted: ClipFilter = {}
    if doubtful:
        st.warning(
            f"{counted(doubtful, 'clip')} began at a change of the clock, when a time is there "
            "twice or never. If the camera's clock is never changed, give its deployment an "
            "offset as the zone, such as +01:00."
        )
        if st.toggle("Only these", key="starts_doubtful"):
            wanted["has_issue"] = True
    total = store.count_clips(**wanted)
    begin = pager("starts", total, _ROWS, of=tuple(wanted))
    clips = store.clips(order="start", limit=_ROWS, offset=begin, **wanted)
    deployments = {one.deployment_id: one for one in store.deployments()}
    st.dataframe(
        start_table(clips, deployments),
        hide_index=True,
        width="stretch",
        height=table_height(len(clips), 320),
        placeholder="",
    )


def start_table(
    clips: Sequence[dict[str, Any]], deployments: dict[str, Deployment]
) -> pd.DataFrame:
    """A row a clip. deployments: by their ids."""
    rows = []
    for clip in clips:
        one = deployments.get(clip["deployment_id"] or "")
        camera = clip["camera_local"]
        if camera is None and clip["start_utc"] is not None:
            camera = _local(clip["start_utc"], clip, one).replace(tzinfo=None)
        added = clip["clock_correction_s"] or 0.0
        true = clip["start_utc"] and _local(clip["start_utc"] + timedelta(seconds=added), clip, one)
        rows.append(
            {
                "Clip": clip["shown"],
                "Deployment": clip["deployment_id"],
                "Start by the camera": "" if camera is None else f"{camera:%Y-%m-%d %H:%M:%S}",
                "From": clip["start_source"],
                "Correction, s": f"{added:+,.3f}" if added else "",
                "Start": true.isoformat(" ", "seconds") if true else "",
                "In doubt": _ISSUES.get(clip["timestamp_issue"] or "", ""),
            }
        )
    return pd.DataFrame(rows)


def _local(utc: datetime, clip: dict[str, Any], one: Deployment | None) -> datetime:
    if one is not None:
        return utc.replace(tzinfo=UTC).astimezone(zone_named(one.zone))
    away = timedelta(seconds=clip["utc_offset_s"] or 0)
    return (utc + away).replace(tzinfo=UTC if not away else zone_named(_offset(away)))


def _offset(away: timedelta) -> str:
    minutes = round(away.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
