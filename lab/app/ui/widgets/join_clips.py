"""Clips join deployments by what their paths name; shown before it is kept."""

from __future__ import annotations

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.join_preview import pattern_field, show_joined
from lab.counted import counted
from lab.study.joining import join


def show_joining(app_state: AppState) -> None:
    store = app_state.store
    if not store.deployments():
        st.info("No deployments yet: add them first, in the part Deployments.")
        return
    st.markdown("Which part of a clip's path names its deployment, its site or its camera.")
    pattern = pattern_field(app_state, "join_pattern")
    again = st.checkbox("Also clips that are in a deployment already", key="join_again")
    if not pattern:
        return
    found = join(store, pattern, again=again, preview=True)
    show_joined(found)
    n = len(found.joins)
    if st.button(
        f"Put {counted(n, 'clip')} into their deployments" if n else "Nothing to join",
        type="primary",
        key="keep_joins",
        disabled=not n,
    ):
        done = join(store, pattern, again=again)
        for one in done.joins:
            app_state.forget(one.media_id)
        st.session_state.sites_message = f"{counted(len(done.joins), 'clip')} joined."
        st.rerun()
