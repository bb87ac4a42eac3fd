"""Deployments from a table or a package of Camtrap DP, shown before they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import table_height
from lab.app.ui.widgets.join_preview import pattern_field, show_joined
from lab.app.ui.widgets.zones import zone_field
from lab.counted import counted
from lab.deployment import Deployment
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.study.camtrap_dp.join import join_package
from lab.study.camtrap_dp.read import Package, read_package
from lab.study.deployment_file import read_deployments
from lab.study.joining import join

_SHOWN, _WARNINGS = 200, 8


@dataclass(frozen=True)
class _Read:
    deployments: tuple[Deployment, ...]
    warnings: tuple[str, ...]
    package: Package | None


def show_import(app_state: AppState, *, is_open: bool = False) -> None:
    """In an expander, what is read and what it would change."""
    with st.expander("Read deployments: a CSV, or a package of Camtrap DP", expanded=is_open):
        n = st.session_state.get("deployment_import_n", 0)  # another one empties the fields
        first, second, third = st.columns([3, 3, 2])
        file = first.file_uploader(
            "CSV, or a package as a zip", type=["csv", "tsv", "txt", "zip"], key=f"sites_file_{n}"
        )
        folder = second.text_input(
            "Or the folder of a package",
            key=f"sites_folder_{n}",
            placeholder="/data/study",
            help="With its datapackage.json; below one of the media folders of the settings.",
        )
        with third:
            zone = zone_field("Zone of rows that name none", "sites_zone")
        st.caption(
            "Columns: deployment, site, latitude, longitude, camera, start, end, zone, failures; "
            "or those of Camtrap DP or camtrapR."
        )
        if file is None and not folder.strip():
            return
        try:
            read = _read(app_state, file, folder.strip(), zone or None)
        except LabError as error:
            st.error(plain(error))
            return
        _preview(app_state, read, n)


def _read(app_state: AppState, file: Any, folder: str, zone: str | None) -> _Read:
    if file is None:
        package = read_package(app_state.config.allowed(folder), zone)
    elif file.name.lower().endswith(".zip"):
        package = read_package(file.name, zone, file.getvalue())
    else:
        found = read_deployments(file.name, zone, file.getvalue())
        return _Read(found.deployments, found.warnings, None)
    return _Read(package.deployments, package.warnings, package)


def _preview(app_state: AppState, read: _Read, n: int) -> None:
    store = app_state.store
    known = {one.deployment_id: one for one in store.deployments()}
    states = {
        one.deployment_id: "new"
        if one.deployment_id not in known
        else "as it is"
        if known[one.deployment_id] == one
        else "changed"
        for one in read.deployments
    }
    counts = {state: list(states.values()).count(state) for state in ("new", "changed", "as it is")}
    st.markdown(
        f"**{counted(len(read.deployments), 'deployment')} read:** "
        f"{counts['new']:,} new, {counts['changed']:,} changed, {counts['as it is']:,} as they are"
    )
    for warning in read.warnings[:_WARNINGS]:
        st.warning(plain(warning))
    if len(read.warnings) > _WARNINGS:
        st.caption(f"{len(read.warnings) - _WARNINGS:,} more warnings.")
    rows = [
        {
            "Deployment": one.deployment_id,
            "Here": states[one.deployment_id],
            "Site": one.site,
            "Camera": one.camera_id,
            "Start": one.local(one.start_utc),
            "End": one.local(one.end_utc),
            "Zone": one.zone,
        }
        for one in read.deployments[:_SHOWN]
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        height=table_height(len(rows), 200),
        placeholder="",
    )
    package = read.package
    if package is not None and package.media:
        found = join_package(store, package, preview=True)
        show_joined(found.joined, ", ".join(found.words()))
    pattern = None if package is not None else _joining(app_state, read)
    if st.button("Keep these deployments", type="primary", key="keep_deployments"):
        store.put_deployments(read.deployments)
        message = f"{counted(len(read.deployments), 'deployment')} kept."
        if package is not None and package.media:
            done = join_package(store, package)
            message += f" {counted(len(done.joined.joins), 'clip')} joined"
            message += f", {', '.join(done.words())}."
        elif pattern:
            message += f" {counted(len(join(store, pattern).joins), 'clip')} joined."
        st.session_state.deployment_import_n = n + 1
        st.session_state.sites_message = message
        st.rerun()


def _joining(app_state: AppState, read: _Read) -> str | None:
    """A pattern by which clips join the deployments that are read, and what it would do."""
    if not app_state.store.count_clips():
        return None
    pattern = pattern_field(app_state, "import_pattern", "Clips that join them, by their paths")
    if pattern:
        try:
            show_joined(join(app_state.store, pattern, preview=True, among=read.deployments))
        except LabError as error:
            st.error(plain(error))
            return None
    return pattern
