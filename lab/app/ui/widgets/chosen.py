"""The clips that a session has chosen: marked in Library, handed to Run, kept in the address."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st


def chosen() -> list[str]:
    """Media ids that this browser session has chosen."""
    if "chosen" not in st.session_state:
        st.session_state.chosen = [m for m in st.query_params.get("media", "").split(",") if m]
    ids: list[str] = st.session_state.chosen
    return ids


def choose(media_ids: Iterable[str]) -> None:
    """Choose these besides those that are chosen."""
    set_chosen([*chosen(), *media_ids])


def drop(media_ids: Iterable[str]) -> None:
    """Choose these no longer."""
    gone = set(media_ids)
    set_chosen(one for one in chosen() if one not in gone)


def set_chosen(media_ids: Iterable[str]) -> None:
    st.session_state.chosen = list(dict.fromkeys(media_ids))
    st.session_state.chosen_n = marks_version() + 1


def marks_version() -> int:
    """Another one whenever the program, and not a click on a mark, changed what is chosen."""
    return int(st.session_state.get("chosen_n", 0))


def take_marks(page: list[str], marked: Iterable[str]) -> None:
    """What the user has marked among the clips of a page; others stay as they are."""
    on, here = list(marked), set(page)
    kept = [one for one in chosen() if one not in here]
    st.session_state.chosen = [*kept, *(one for one in on if one in here)]
