"""Stored sightings: filters, a table, a gallery or charts, review, downloads."""

from __future__ import annotations

import json
from typing import Any, cast

import streamlit as st

from lab.app.server.downloads import sightings_address
from lab.app.server.state import AppState
from lab.app.ui.shared import here
from lab.app.ui.widgets.bulk_actions import bulk_actions, undo_button
from lab.app.ui.widgets.charts_view import charts_view
from lab.app.ui.widgets.saved_views import saved_views
from lab.app.ui.widgets.sighting_address import (
    CHARTS,
    TABLE,
    VIEWS,
    Shown,
    read_address,
    write_address,
)
from lab.app.ui.widgets.sighting_filters import Filters
from lab.app.ui.widgets.sighting_list import show_list
from lab.app.ui.widgets.sighting_marks import keep_marks_of
from lab.counted import counted
from lab.store.sightings import SightingFilter

_ICONS = {TABLE: "table_rows", "gallery": "grid_view", CHARTS: "bar_chart"}
_SORTS = {
    "time": "Clip and onset",
    "calendar": "Date",
    "latest": "Date, last first",
    "newest": "Saved last",
    "label": "Label",
    "site": "Site",
    "onset": "Onset",
    "last_onset": "Onset, last first",
    "confidence": "Highest score",
    "least_confidence": "Lowest score",
    "duration": "Longest",
    "shortest": "Shortest",
}
_GROUPS = {"label": "Label", "site": "Site", "clip": "Clip", "day": "Day", "event": "Event"}


def stored_sightings() -> None:
    """The whole page below its title."""
    app_state = here()
    store = app_state.store
    stored = store.count_sightings()
    if not stored:
        _nothing_stored(app_state)
        return
    shown = read_address(app_state)
    filters = Filters(store, shown)
    filters.show()
    filters.chips()
    total = store.count_sightings(**filters.of_rules)
    is_narrowed = shown.wanted != filters.of_rules
    count = store.count_sightings(**shown.wanted) if is_narrowed else total
    keep_marks_of(json.dumps(shown.changed(view=TABLE, order="time", group=None).query()))
    _head(app_state, shown, count, total)
    _say_others(shown, stored - total)
    if not count:
        filters.nothing_found()
    elif shown.view == CHARTS:
        _charts(app_state, shown)
    else:
        show_list(app_state, shown, count)


def _nothing_stored(app_state: AppState) -> None:
    """Where sightings come from."""
    if app_state.store.count_runs():
        st.info("No sighting is stored yet. Tune a run, then choose “Save sightings” there.")
        st.page_link("pages/review.py", label="Go to Review", icon=":material/movie:")
        _effort_download(st)
    else:
        st.info("No clip was analysed yet. Analyse clips first; sightings are saved in Review.")
        st.page_link("pages/analyse.py", label="Go to Analyse", icon=":material/play_circle:")
    undo_button(app_state)  # of deleting all that there were


def _head(app_state: AppState, shown: Shown, count: int, total: int) -> None:
    """How many there are, how they are shown, and what can be taken away."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.markdown(f"**{count:,} of {total:,} sightings.**", width="content")
        _choose(st.segmented_control, shown, "view", "View", VIEWS, _view_words, required=True,
                width="content", label_visibility="collapsed")  # fmt: skip
        if shown.view != CHARTS:
            _choose(st.selectbox, shown, "order", "Sort by", _SORTS, _SORTS.__getitem__, width=170)
            _choose(st.selectbox, shown, "group", "Group by", _GROUPS, _GROUPS.__getitem__,
                    index=None, placeholder="None", width=130)  # fmt: skip
        saved_views(app_state.store, shown)
        with st.popover("Files", icon=":material/download:"):
            address = sightings_address(shown.wanted)
            st.link_button("Sightings as CSV", address, width="stretch")
            _effort_download(st)
        if shown.view != CHARTS:
            bulk_actions(app_state, shown, count)


def _view_words(view: str) -> str:
    return f":material/{_ICONS[view]}: {view.capitalize()}"


def _choose(
    widget: Any, shown: Shown, name: str, title: str, options: Any, words: Any, **more: Any
) -> None:
    """A choice whose value is in the address."""
    key, value = f"sightings_{name}", getattr(shown, name)
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value

    def put() -> None:
        write_address(shown.changed(**{name: st.session_state[key]}))

    widget(title, list(options), format_func=words, key=key, on_change=put, **more)


def _say_others(shown: Shown, others: int) -> None:
    if shown.wanted.get("current") and others > 0:
        saved = counted(others, "sighting of another rule is", "sightings of other rules are")
        st.caption(
            f"These are of the rules that were applied to all clips; {saved} saved as well: choose "
            "them under Rules."
        )


def _effort_download(place: Any) -> None:
    place.link_button("Effort as CSV", "/api/effort.csv", width="stretch")


def _charts(app_state: AppState, shown: Shown) -> None:
    """Charts of the sightings that are wanted; a click on one adds conditions."""

    def narrow(part: SightingFilter) -> None:
        """Show the table of those that fulfil these conditions as well."""
        wanted = cast(SightingFilter, {**shown.wanted, **part})
        write_address(shown.changed(view=TABLE, wanted=wanted))
        st.rerun()

    charts_view(app_state, shown, narrow)
