"""The pages and their order."""

from __future__ import annotations

import streamlit as st

from lab.ui.parts import ASSETS


def show_pages() -> None:
    st.set_page_config(page_title="Sighting Lab", page_icon=str(ASSETS / "icon.svg"), layout="wide")
    page = st.navigation(
        [
            st.Page("pages/source.py", title="Source", icon=":material/video_library:", default=True),
            st.Page("pages/run.py", title="Run", icon=":material/play_circle:"),
            st.Page("pages/models.py", title="Models", icon=":material/deployed_code:"),
            st.Page("pages/tune.py", title="Tune", icon=":material/tune:"),
            st.Page("pages/measure.py", title="Measure", icon=":material/monitoring:"),
            st.Page("pages/compare.py", title="Compare", icon=":material/compare:"),
            st.Page("pages/sightings.py", title="Sightings", icon=":material/table_rows:"),
            st.Page("pages/experiments.py", title="Experiments", icon=":material/science:"),
        ],
        position="top",
    )
    # The default leaves a third of a laptop's screen empty above the title.
    st.html("<style>.stMainBlockContainer{padding-top:4.2rem} h1{font-size:1.6rem!important}</style>")
    _keep_settings()
    page.run()


def _keep_settings() -> None:
    """What was set in a tab or on a page stays while another one is looked at."""
    for key in list(st.session_state):
        if str(key).startswith("keep_"):
            st.session_state[key] = st.session_state[key]
