"""Where and when: deployments, the clips in them, clocks, taxa, events, the package of a study."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.clip_starts import show_starts
from lab.app.ui.widgets.clock_anchors import show_clocks
from lab.app.ui.widgets.deployment_list import show_deployments
from lab.app.ui.widgets.events_table import show_events
from lab.app.ui.widgets.join_clips import show_joining
from lab.app.ui.widgets.study_package import show_package
from lab.app.ui.widgets.taxa_table import show_taxa
from lab.errors import LabError
from lab.formats.markdown import plain

_KEY = "sites_part"
PARTS: dict[str, Callable[[AppState], None]] = {
    "Deployments": show_deployments,
    "Joining": show_joining,
    "Starts": show_starts,
    "Clocks": show_clocks,
    "Taxa": show_taxa,
    "Events": show_events,
    "Camtrap DP": show_package,
}


def sites_view(app_state: AppState) -> None:
    """The part that is chosen, and nothing of the others."""
    if st.session_state.get(_KEY) not in PARTS:
        st.session_state[_KEY] = next(iter(PARTS))
    part = st.segmented_control(
        "Part",
        list(PARTS),
        key=_KEY,
        persist_state="session",
        required=True,
        label_visibility="collapsed",
    )
    if message := st.session_state.pop("sites_message", None):
        st.success(plain(message))
    try:
        PARTS[part or "Deployments"](app_state)
    except LabError as error:
        st.error(plain(error))
