"""Why a figure is missing: one caption below the figures of a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import streamlit as st

from lab.formats.markdown import plain


def show_reasons(refused: Iterable[Mapping[str, str]]) -> None:
    """One caption with the reason for each figure that is missing; none if all are there.

    refused: of each row of figures, name of the figure to its reason.
    """
    names: dict[str, list[str]] = {}
    for row in refused:
        for name, reason in row.items():
            title = name.removesuffix("_s").replace("_", " ")
            if title not in names.setdefault(reason, []):
                names[reason].append(title)
    if names:
        lines = [
            f"No {plain(', '.join(titles))}: {plain(reason)}." for reason, titles in names.items()
        ]
        st.caption("  \n".join(lines))
