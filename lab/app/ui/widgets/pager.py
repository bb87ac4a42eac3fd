"""One page of many rows: which rows it shows, and buttons to the previous and the next."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st


def pager(
    key: str,
    total: int,
    size: int,
    *,
    of: object = None,
    advance: Callable[[], int] | None = None,
) -> int:
    """The first row of the page to show, from 0; without buttons where all rows fit.

    It stays where it is when the page is drawn again, and begins at the first row when `of`, which
    says what is listed, such as the filters, is another. advance: by how many rows the next page is
    further, where some of this one may not be listed any more.
    """
    kept = _kept(key)
    first, was_of = st.session_state.get(kept, (0, of))
    first = 0 if was_of != of else min(first, max(0, total - 1) // size * size)
    st.session_state[kept] = (first, of)
    if total <= size:
        return first

    def turn(to: int) -> None:
        turn_page(key, to, of)

    def turn_on() -> None:
        turn(first + (size if advance is None else advance()))

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
            on_click=turn_on,
        )
    return first


def turn_page(key: str, first: int, of: object = None) -> None:
    """Show the page from this row on when the pager is drawn again."""
    st.session_state[_kept(key)] = (first, of)


def _kept(key: str) -> str:
    return f"keep_page_{key}"
