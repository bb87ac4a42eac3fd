"""Clips join deployments by what their paths name; shown before it is kept."""

from __future__ import annotations

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.join_preview import show_joined
from lab.counted import counted
from lab.formats.markdown import plain
from lab.study.joining import join

_EXAMPLES = ["{site}/**/*", "{site}/{camera}_*", "{deployment}/**/*", "{camera}_*"]


def show_joining(app_state: AppState) -> None:
    store = app_state.store
    if not store.deployments():
        st.info("No deployments yet: add them first, in the part Deployments.")
        return
    st.markdown(
        "Which part of a clip's path names its deployment, site or camera: `*` stands for anything "
        "within a name, `**/` for any folders."
    )
    first, second = st.columns([3, 2], vertical_alignment="bottom")
    pattern = first.selectbox(
        "Pattern",
        _EXAMPLES,
        index=None,
        key="join_pattern",
        accept_new_options=True,
        placeholder="{site}/{camera}_*",
        persist_state="session",
    )
    again = second.checkbox("Also clips that are in a deployment already", key="join_again")
    examples = store.clips(order="name", limit=3)
    if examples:
        st.caption("Such as: " + " · ".join(plain(clip["path"]) for clip in examples))
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
