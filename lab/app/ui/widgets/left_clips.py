"""Clips that a terminal left waiting are offered to the app."""

from __future__ import annotations

import streamlit as st

from lab.app.server.left_clips import take_over
from lab.app.ui.shared import here
from lab.counted import counted
from lab.errors import LabError
from lab.formats.markdown import plain

_TAKEN, _NOT_TAKEN = "clips_taken_over", "clips_not_taken_over"


def offer_left_clips(count: int) -> None:
    """count: clips that wait for a terminal which does them no more."""
    if taken := st.session_state.pop(_TAKEN, 0):
        st.success(f"{counted(taken, 'clip')} taken over.")
    stay = st.session_state.get(_NOT_TAKEN, {}) if count else {}
    if count > sum(stay.values()):
        _offer(count)
    for why, n in stay.items():
        st.warning(
            plain(f"{counted(n, 'clip')} not taken over: {why}.")
            + " Go on with what is left in a terminal: `lab batch --resume`"
        )


def _offer(count: int) -> None:
    place, button = st.columns([3, 1], vertical_alignment="center")
    wait = plain("waits" if count == 1 else "wait")
    place.info(
        f"{counted(count, 'clip')} {wait} for a `lab batch` that has ended. Start it again in its "
        "terminal, or take over here."
    )
    button.button("Take over", on_click=_take_over, width="stretch")


def _take_over() -> None:
    try:
        taken = take_over(here())
    except LabError as error:
        st.toast(plain(error))
        return
    st.session_state[_NOT_TAKEN] = dict(taken.reasons)
    st.session_state[_TAKEN] = taken.count
