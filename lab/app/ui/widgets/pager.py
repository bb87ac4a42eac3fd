"""One page of many rows: which rows it shows, and buttons to the previous and the next."""

from __future__ import annotations

import streamlit as st


def pager(key: str, total: int, size: int, *, of: object = None) -> int:
    """The first row of the page to show, from 0; without buttons where all rows fit.

    It stays where it is when the page is drawn again, and begins at the first row when `of`, which
    says what is listed, such as the filters, is another.
    """
    kept = f"keep_page_{key}"
    first, was_of = st.session_state.get(kept, (0, of))
    first = 0 if was_of != of else min(first, max(0, total - 1) // size * size)
    st.session_state[kept] = (first, of)
    if total <= size:
        return first

    def turn(to: int) -> None:
        st.session_state[kept] = (to, of)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{first + 1:,}–{min(first + size, total):,} of {total:,}", width="content")
        st.button(
            "Previous",
            key=f"{kept}_previous",
            icon=":material/chevron_left:",
            disabled=first == 0,
            on_click=turn,
            args=(max(0, first - size),),
        )
        st.button(
            "Next",
            key=f"{kept}_next",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=first + size >= total,
            on_click=turn,
            args=(first + size,),
        )
    return first
