"""The views of the page Library; the one that is shown is in its address."""

from __future__ import annotations

import streamlit as st

CLIPS, SITES, STORAGE = "clips", "sites", "storage"
VIEWS = {CLIPS: "Clips", SITES: "Sites", STORAGE: "Storage"}
_PARAMETER, _KEY = "view", "library_part"


def choose_view() -> str:
    """Show the views; the one that the address names."""
    asked = st.query_params.get(_PARAMETER, CLIPS)
    view = asked if asked in VIEWS else CLIPS
    if st.session_state.get(_KEY) != view:  # by a link, back or forward
        st.session_state[_KEY] = view
    st.segmented_control(
        "View of the library",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        key=_KEY,
        required=True,
        on_change=_write_address,
        label_visibility="collapsed",
    )
    return view


def _write_address() -> None:
    view = st.session_state[_KEY]
    if view == CLIPS:
        st.query_params.pop(_PARAMETER, None)
    else:
        st.query_params[_PARAMETER] = view
