"""Choices from a store: all of a few, or of many those that fit a text that is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from lab.formats.markdown import isolated, plain

MOST = 50  # that a list offers at once; the browser gets all of them at each rerun
# Of a text and a number: at most that many choices that fit the text, with what is shown of each.
Find = Callable[[str, int], Mapping[str, str]]
# Of choices that are made: what is shown of each; those that are no longer there are left out.
Name = Callable[[list[str]], Mapping[str, str]]


def offered(
    place: Any, title: str, find: Find, key: str, what: str, *, beside: bool = False
) -> tuple[dict[str, str], Any]:
    """What a list offers, after a box to search in where that is not all; and where the list goes.

    title: of the list. what: can be typed, such as `parts of a name`. beside: the box stands to
    the left of the list, else above it.
    """
    found = find("", MOST + 1)
    if len(found) <= MOST:
        return dict(found), place
    box, place = place.columns([1, 3], vertical_alignment="bottom") if beside else (place, place)
    text = box.text_input(
        f"Find {plain(title[:1].lower() + title[1:])}",
        key=f"{key}_find",
        placeholder=what,
        persist_state="session",
        help=f"The list offers the first {MOST} that fit.",
    )
    found = find(text, MOST + 1) if text.strip() else found
    if not found:
        box.caption("Nothing fits.")
    return dict(list(found.items())[:MOST]), place


def as_they_are(chosen: list[str]) -> dict[str, str]:
    return {one: one for one in chosen}


def choose_some(
    place: Any,
    title: str,
    find: Find,
    key: str,
    *,
    what: str,
    name: Name = as_they_are,
    beside: bool = False,
    **widget: Any,
) -> list[str]:
    """A multiselect of choices; what was chosen stays, whatever is typed later.

    widget: more of `st.multiselect`; `default` is what is chosen at first.
    """
    options, place = offered(place, title, find, key, what, beside=beside)
    chosen = st.session_state.get(key, widget.get("default") or [])
    if others := [one for one in chosen if one not in options]:
        options = {**name(others), **options}
    widget["default"] = [one for one in widget.get("default") or [] if one in options] or None
    if key in st.session_state:
        del widget["default"]
    return place.multiselect(  # type: ignore[no-any-return]
        plain(title),
        list(options),
        format_func=lambda one: isolated(options.get(one, str(one))),
        key=key,
        **widget,
    )


def choose_one(
    place: Any,
    title: str,
    find: Find,
    key: str,
    *,
    what: str,
    name: Name = as_they_are,
    beside: bool = False,
    **widget: Any,
) -> str | None:
    """A selectbox of choices; what was chosen stays, whatever is typed later. None if there is
    nothing to choose, or nothing is chosen.
    """
    options, place = offered(place, title, find, key, what, beside=beside)
    chosen = st.session_state.get(key)
    if chosen is not None and chosen not in options:
        options = {**name([chosen]), **options}
    return place.selectbox(  # type: ignore[no-any-return]
        plain(title),
        list(options),
        format_func=lambda one: isolated(options.get(one, str(one))),
        key=key,
        **widget,
    )
