"""The pages and their order."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from lab.app.server.state import app_state
from lab.app.ui.widgets.review_address import leave_review
from lab.errors import LabError
from lab.formats.markdown import plain

# The label of the gear stays for screen readers; the header keeps room for it.
_GEAR_STYLE = """
.stAppToolbar{padding-right:3.2rem!important}
.stLayoutWrapper:has(>.st-key-models_gear),.st-key-models_gear{position:fixed!important;top:0;
    right:.9rem;height:min(3.5rem,56px);display:flex;justify-content:center;width:auto!important;
    z-index:999991}
@media (max-height:800px){body:has(.st-key-player) .st-key-models_gear{height:48px}}
.st-key-models_gear a{padding:.3rem .4rem}
.st-key-models_gear a>span:last-child{position:absolute;clip-path:inset(50%);width:1px;height:1px;
    overflow:hidden}
"""
# The default leaves a third of a laptop's screen empty above the title. Its captions, the values of
# its sliders, what is chosen of a few, and code have too little contrast to be read easily.
_STYLE = """
.stMainBlockContainer { padding-top: 3.2rem }
h1 { font-size: 1.6rem !important }
a:focus-visible, button:focus-visible, summary:focus-visible,
[data-testid=stDataFrame]:has(:focus-visible) {
  outline: 2px solid currentColor !important; outline-offset: 2px
}
[data-testid=stCaptionContainer] { opacity: .85 !important }
[data-testid=stSliderThumbValue], button[data-selected=true] { color: inherit !important }
.stCode .token { color: inherit !important }
.stCode .keyword { color: color-mix(in srgb, #1c83e1 50%, currentColor) !important }
.stCode .string { color: color-mix(in srgb, #09ab3b 50%, currentColor) !important }
.stCode .number { color: color-mix(in srgb, #29b09d 50%, currentColor) !important }
.stCode .key { color: color-mix(in srgb, #ed6f13 50%, currentColor) !important }
"""


def show_pages() -> None:
    st.set_page_config(
        page_title="Sighting Lab",
        page_icon=str(Path(__file__).with_name("icon.svg")),
        layout="wide",
    )
    st.logo(str(Path(__file__).with_name("logo.svg")), size="large")  # it leads home
    page = st.navigation(
        [
            st.Page(
                "pages/home.py",
                title="Sighting Lab",
                icon=":material/home:",
                default=True,
                visibility="hidden",
            ),
            st.Page("pages/library.py", title="Library", icon=":material/video_library:"),
            st.Page("pages/analyse.py", title="Analyse", icon=":material/play_circle:"),
            st.Page("pages/live.py", title="Live", icon=":material/live_tv:"),
            st.Page("pages/review.py", title="Review", icon=":material/movie:"),
            st.Page("pages/feeds.py", title="Feeds", icon=":material/visibility:"),
            st.Page("pages/measure.py", title="Measure", icon=":material/monitoring:"),
            st.Page("pages/sightings.py", title="Sightings", icon=":material/table_rows:"),
            st.Page("pages/notebook.py", title="Notebook", icon=":material/science:"),
            st.Page("pages/models.py", title="Models", visibility="hidden"),  # it is the gear
        ],
        position="top",
    )
    st.html(f"<style>{_STYLE}{_GEAR_STYLE}</style>")  # one, for each takes a gap of its own
    _gear()
    _keep_tab()
    _say_what_cannot_be_done()
    if page.url_path != "review":
        leave_review()
    page.run()


def _gear() -> None:
    """Models at the right end of the navigation, also where its pages fold to "N more"."""
    with st.container(key="models_gear", width="content"):
        st.page_link("pages/models.py", label="Models", icon=":material/settings:", help="Models")


def _say_what_cannot_be_done() -> None:
    try:
        why = app_state().store.catalog.cannot_be_written
    except LabError:  # which the page shows
        return
    if why is not None:
        st.warning(f"{plain(why)}: no analysis, annotation, saving or import, and no new pictures.")


def _keep_tab() -> None:
    """Keep the open tab of Models; tabs have no `persist_state`, unlike other widgets.

    Not for text widgets: a value that the program sets overwrites what is being typed.
    """
    if "keep_models_tab" in st.session_state:
        st.session_state.keep_models_tab = st.session_state.keep_models_tab
