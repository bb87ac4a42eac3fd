"""Which dialog is open: kept in the session, so that a rerun of the page leaves it open."""

from __future__ import annotations

import streamlit as st

_KEY = "open_dialog"


def open_dialog(name: str) -> None:
    st.session_state[_KEY] = name


def close_dialog() -> None:
    """Also what a dialog calls when the user closes it."""
    st.session_state.pop(_KEY, None)


def is_open(name: str) -> bool:
    return st.session_state.get(_KEY) == name
