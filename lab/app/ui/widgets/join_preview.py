"""What a joining would do: which clips go where, which do not, and why."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import table_height
from lab.counted import counted
from lab.formats.markdown import plain
from lab.study.joining import Joined

_SHOWN = 500
_PATTERNS = ["{site}/**/*", "{site}/{camera}_*", "{deployment}/**/*", "{camera}_*"]


def pattern_field(app_state: AppState, key: str, title: str = "Pattern") -> str | None:
    """A pattern of paths, with examples of what they look like."""
    pattern: str | None = st.selectbox(
        plain(title),
        _PATTERNS,
        index=None,
        key=key,
        accept_new_options=True,
        placeholder="{site}/{camera}_*",
        help="{deployment}, {site} and {camera} stand for their names, \\* for anything within a "
        "name, \\*\\*/ for any folders.",
    )
    if examples := app_state.store.clips(order="name", limit=3):
        st.caption("Paths: " + " · ".join(plain(clip["path"]) for clip in examples))
    return pattern


def show_joined(found: Joined, more: str = "") -> None:
    """more: what else is said of them."""
    st.markdown(
        f"**{counted(len(found.joins), 'clip')} would join**, {len(found.not_joined):,} cannot, "
        f"{found.unmatched:,} do not fit, {found.kept:,} are in a deployment already"
        f"{plain(f', {more}' if more else '')}."
    )
    if found.fits_nothing:
        st.warning("No path fits. Write the pattern so that it fits the end of a path.")
    if found.joins:
        rows = [
            {
                "Clip": one.clip,
                "Deployment": one.deployment_id,
                "Site": one.site,
                "Site before": one.before,
                "Outside of the period": "yes" if one.is_outside else "",
            }
            for one in found.joins[:_SHOWN]
        ]
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            width="stretch",
            height=table_height(len(rows), 220),
            placeholder="",
        )
    if found.not_joined:
        st.caption("Not joined, and why:")
        rows = [{"Clip": one.clip, "Why": one.reason} for one in found.not_joined[:_SHOWN]]
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            width="stretch",
            height=table_height(len(rows), 180),
            placeholder="",
        )
    longest = max(len(found.joins), len(found.not_joined))
    if longest > _SHOWN:
        st.caption(f"The first {_SHOWN} are shown.")
