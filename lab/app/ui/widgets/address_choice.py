"""A choice of one of few whose value is in the address of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lab.formats.markdown import plain


@dataclass(frozen=True)
class AddressChoice:
    """parameter: of the address. key: of the widget. options: value to what is shown; the first
    is chosen where the address names none, and is not written.
    """

    parameter: str
    key: str
    options: Mapping[str, str]

    def show(self, title: str, **more: Any) -> str:
        """Show the options; the one that the address names. title: for a screen reader."""
        asked = st.query_params.get(self.parameter, self._first)
        value = asked if asked in self.options else self._first
        if st.session_state.get(self.key) != value:  # by a link, back or forward
            st.session_state[self.key] = value
        st.segmented_control(
            plain(title),
            list(self.options),
            format_func=self.options.__getitem__,
            key=self.key,
            required=True,
            on_change=lambda: self.put_in_address(st.session_state[self.key]),
            label_visibility="collapsed",
            **more,
        )
        return value

    def put_in_address(self, value: str) -> None:
        """From now on the address names this value."""
        if value == self._first:
            st.query_params.pop(self.parameter, None)
        else:
            st.query_params[self.parameter] = value

    @property
    def _first(self) -> str:
        return next(iter(self.options))
