"""The sightings that a session has selected on the page Sightings."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

_KEY, _OF, _VERSION = "sightings_marked", "sightings_marked_of", "sightings_marks_n"


def marked() -> list[str]:
    ids: list[str] = st.session_state.get(_KEY, [])
    return ids


def marks_version() -> int:
    """Another one whenever the program, and not a click on a mark, changed what is selected."""
    return int(st.session_state.get(_VERSION, 0))


def set_marked(ids: Iterable[str]) -> None:
    st.session_state[_KEY] = list(ids)
    st.session_state[_VERSION] = marks_version() + 1


def take_marks(page: list[str], on: Iterable[str]) -> None:
    """What the user has marked among the sightings of a page; others stay as they are."""
    chosen, here = list(on), set(page)
    kept = [one for one in marked() if one not in here]
    st.session_state[_KEY] = [*kept, *(one for one in chosen if one in here)]


def keep_marks_of(conditions: str) -> None:
    """Nothing is selected any more where the conditions are others."""
    if st.session_state.get(_OF) != conditions:
        if marked():
            set_marked([])
        st.session_state[_OF] = conditions
