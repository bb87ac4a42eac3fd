"""A form of one deployment: to add, change or delete it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.zones import zone_field
from lab.counted import counted
from lab.deployment import Deployment
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.study.deployment_entry import deployment_of_texts, texts_of_deployment

NEW = ""
_TIME = "2026-05-01 12:00"


def show_form(app_state: AppState, deployment_id: str, close: Callable[[], None]) -> None:
    """deployment_id: `NEW` for one that is added. close: what ends the form."""
    is_new = deployment_id == NEW
    known = None if is_new else app_state.store.deployment(deployment_id)
    with st.container(border=True):
        st.markdown(f"**{'Add a deployment' if is_new else plain(deployment_id)}**")
        _form(app_state, known, close)
        if known is not None:
            _delete(app_state, known, close)


def _form(app_state: AppState, known: Deployment | None, close: Callable[[], None]) -> None:
    texts = texts_of_deployment(known)
    key = known.deployment_id if known else "new"
    with st.form(f"deployment_{key}", border=False):
        first, second, third = st.columns(3)
        given = {
            "deployment_id": first.text_input(
                "Deployment",
                texts["deployment_id"],
                placeholder="creek-2026-05",
                disabled=bool(known),
            ),
            "site": second.text_input("Site", texts["site"], placeholder="creek"),
            "camera": third.text_input("Camera", texts["camera"]),
            "start": first.text_input("Start, local time", texts["start"], placeholder=_TIME),
            "end": second.text_input("End, local time", texts["end"], placeholder=_TIME),
        }
        with third:
            given["zone"] = zone_field("Zone of its clock", f"zone_{key}", texts["zone"])
        given["latitude"] = first.text_input(
            "Latitude", texts["latitude"], placeholder="52.52", help="WGS84, decimal degrees"
        )
        given["longitude"] = second.text_input("Longitude", texts["longitude"], placeholder="13.4")
        given["failures"] = third.text_area(
            "Failures",
            texts["failures"],
            placeholder="2026-05-10/2026-05-11 battery",
            help="When the camera did not work: from/to, and the reason; one a line.",
            height=68,
        )
        with st.container(horizontal=True):
            is_kept = st.form_submit_button("Keep", type="primary")
            if known is not None and st.form_submit_button("Close"):
                close()
                st.rerun()
    if not is_kept:
        return
    store = app_state.store
    try:
        made = deployment_of_texts(given, known)
        if known is None and store.deployments(made.deployment_id):
            st.error(f"{plain(made.deployment_id)} is there already; choose another name.")
            return
        store.put_deployments([made])
    except LabError as error:
        st.error(plain(error))
        return
    close()
    st.session_state.sites_message = f"{made.deployment_id} is kept."
    st.rerun()


def _delete(app_state: AppState, known: Deployment, close: Callable[[], None]) -> None:
    with st.popover("Delete it", icon=":material/delete:"):
        clips = app_state.store.count_clips(deployment_id=known.deployment_id)
        st.write(
            f"Its failures and clock anchors go with it. {counted(clips, 'clip')} of it "
            f"{'stays' if clips == 1 else 'stay'} with site and start, in no deployment."
        )
        if st.button("Delete the deployment", type="primary"):
            app_state.store.delete_deployments([known.deployment_id])
            close()
            st.session_state.sites_message = f"{known.deployment_id} is deleted."
            st.rerun()
