"""All feeds of the store: how each does, and what can be done with it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lab.app.server.feeds import feeds_of
from lab.app.server.state import AppState
from lab.app.ui.shared import asset, here, script
from lab.app.ui.widgets.dialogs import is_open, open_dialog
from lab.app.ui.widgets.feed_form import add_feed, edit_feed, remove_feed
from lab.app.ui.widgets.feed_rule import change_rule
from lab.app.ui.widgets.sink_form import add_sink, edit_sink, remove_sink, test_sink
from lab.errors import LabError
from lab.formats.markdown import plain

_ASKED = "feeds_asked"
_VERSION = "feeds_version"
_LOOK_S = 2.0
_DIALOGS = {
    "add": add_feed,
    "edit": edit_feed,
    "rule": change_rule,
    "remove": remove_feed,
    "add_sink": add_sink,
    "edit_sink": edit_sink,
    "remove_sink": remove_sink,
    "test_sink": test_sink,
}

_feeds = st.components.v2.component(
    "lab_feeds",
    html=asset("feeds/feeds.html"),
    css=asset("feeds/feeds.css"),
    js=script("feeds/feeds.js"),
)


def feeds() -> None:
    """The whole page below its title."""
    app_state = here()
    with app_state.store.catalog.reading():  # a store that cannot be read takes no sightings either
        pass
    status = app_state.live.get()
    known = feeds_of(app_state)
    _head(app_state, status, bool(known))
    if not known:
        st.info(
            "No feeds yet. A feed watches a camera, a stream or a folder all the time, keeps what "
            "it sees as a run, and tells sinks of each sighting. Add the first one, or start "
            "`lab watch feeds.yaml` in a terminal."
        )
    if not known or status is None:
        st.fragment(_look_again, run_every=_LOOK_S)(app_state, bool(known), status is not None)
    if known or (status or {}).get("sinks"):
        _show(app_state)
    _open_dialog(app_state)


def _head(app_state: AppState, status: dict[str, Any] | None, are_known: bool) -> None:
    file = (status or {}).get("file")
    with st.container(horizontal=True, vertical_alignment="center"):
        kind = "secondary" if are_known else "primary"
        _asks("Add a feed", "add", ":material/add:", kind)
        _asks("Add a sink", "add_sink", ":material/notifications:")
        if status is None and are_known:
            _start_button(app_state)
    if status is None and are_known:
        st.warning("Nothing watches these feeds now: no picture is looked at, and nobody is told.")
    if file is not None:
        st.caption(
            f"Watched by `lab watch` in a terminal. The feeds and sinks of {plain(file)} are "
            "edited in that file, which is read again when it changes; their rules here, too."
        )


def _asks(text: str, what: str, icon: str, kind: Any = "secondary") -> None:
    st.button(plain(text), icon=icon, type=kind, on_click=_ask, args=(what, None))


def _ask(what: str, name: str | None) -> None:
    st.session_state[_ASKED] = name
    open_dialog(f"feeds {what}")


def _start_button(app_state: AppState) -> None:
    if not st.button("Start watching", icon=":material/visibility:", type="primary"):
        return
    try:
        with st.spinner("Starting"):
            app_state.watching.ensure_started()
    except LabError as error:
        st.error(plain(error))
        return
    st.rerun()


def _look_again(app_state: AppState, were_known: bool, was_watched: bool) -> None:
    """Draw the whole page when feeds came, or somebody began to watch."""
    now = bool(feeds_of(app_state)), app_state.live.get() is not None
    if now != (were_known, was_watched):
        st.rerun()


def _show(app_state: AppState) -> None:
    result = _feeds(
        key="feeds",
        data={"version": st.session_state.get(_VERSION, 0)},
        on_asked_change=lambda: None,
    )
    if not result.asked:
        return
    what, name = str(result.asked.get("what")), str(result.asked.get("id"))
    if what == "live":
        st.switch_page("pages/live.py", query_params={"feed": name})
    if what == "review":
        status = feeds_of(app_state).get(name, {})
        run_id = status.get("run_id") or status.get("last_run_id")
        if run_id:
            st.switch_page("pages/review.py", query_params={"run": run_id})
    elif what in _DIALOGS:
        _ask(what, name)


def _open_dialog(app_state: AppState) -> None:
    for what, dialog in _DIALOGS.items():
        if is_open(f"feeds {what}"):
            dialog(app_state, str(st.session_state.get(_ASKED) or ""))
            return
