"""What a joining would do: which clips go where, which do not, and why."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lab.counted import counted
from lab.study.joining import Joined

_SHOWN = 500


def show_joined(found: Joined, more: str = "") -> None:
    """more: what else is said of them."""
    parts = [
        f"{counted(len(found.joins), 'clip')} would join",
        f"{len(found.not_joined):,} cannot",
        f"{found.unmatched:,} do not fit",
        f"{found.kept:,} are in a deployment already",
    ]
    st.markdown(f"**{parts[0]}**, " + ", ".join([*parts[1:], *([more] if more else [])]) + ".")
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
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", height=220)
    if found.not_joined:
        st.caption("Not joined, and why:")
        rows = [{"Clip": one.clip, "Why": one.reason} for one in found.not_joined[:_SHOWN]]
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", height=180)
    longest = max(len(found.joins), len(found.not_joined))
    if longest > _SHOWN:
        st.caption(f"The first {_SHOWN} are shown.")
