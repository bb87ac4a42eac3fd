"""A field for a zone of time."""

from __future__ import annotations

import streamlit as st

from lab.clock import known_zones
from lab.formats.markdown import plain

_OFFSETS = ["UTC", *(f"{'+' if h > 0 else '-'}{abs(h):02d}:00" for h in range(-12, 15) if h)]


def zone_field(title: str, key: str, value: str | None = None) -> str:
    """A choice of names and offsets, which also takes others; an empty text if there is none."""
    options = [*_OFFSETS, *known_zones()]
    if value and value not in options:
        options.insert(0, value)
    return (
        st.selectbox(
            plain(title),
            options,
            index=options.index(value) if value else None,
            key=key,
            accept_new_options=True,
            placeholder="Europe/Berlin or +01:00",
            help="A clock that is never changed has an offset, such as +01:00.",
        )
        or ""
    )
