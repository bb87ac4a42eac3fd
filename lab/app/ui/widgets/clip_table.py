"""Clips as a compact table in which rows can be marked."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import streamlit as st

from lab.app.ui.shared import clock
from lab.store.store import Store


def clip_table(store: Store, media_ids: list[str], key: str) -> set[str]:
    """One row a clip, in this order; the ids of those that are marked."""
    media = {row["media_id"]: row for row in store.media_rows(media_id=media_ids)}
    runs = store.run_counts_of_media(media_ids)
    rows = [media[media_id] for media_id in media_ids if media_id in media]
    starts = [
        None
        if r["start_utc"] is None
        else r["start_utc"] + timedelta(seconds=r["utc_offset_s"] or 0)
        for r in rows
    ]
    frame = pd.DataFrame(
        {
            "Clip": [r["name"] for r in rows],
            "Site": [r["site"] or "" for r in rows],
            "Start, local time": ["" if start is None else str(start) for start in starts],
            "Length": [clock(r["duration_s"]) for r in rows],
            "Runs": [runs.get(r["media_id"], 0) for r in rows],
        }
    )
    event = st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode="multi-row",
        key=key,
    )
    return {rows[i]["media_id"] for i in event["selection"]["rows"] if i < len(rows)}
