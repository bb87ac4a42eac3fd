"""Runs whose score logs were removed to make room: what pages say, and what they still show."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import clock
from lab.counted import counted
from lab.errors import LogRemovedError
from lab.formats.markdown import plain
from lab.media_time import media_time

_MOST = 500


def say_removed(app_state: AppState, protocol: str) -> None:
    """One line where runs of a protocol have no score log any more."""
    count = app_state.store.count_removed_logs(protocol)
    if count:
        st.caption(
            f"{counted(count, 'run')} of this protocol {'has' if count == 1 else 'have'} no score "
            "log any more: it was removed to make room. Figures are of the others."
        )


def show_without_log(app_state: AppState, run_id: str, error: LogRemovedError) -> None:
    """What is left of a run in Review: why, its effort, and the sightings that were saved."""
    store = app_state.store
    row = store.run(run_id)
    media = store.media(row["media_id"])
    st.info(plain(_first_upper(str(error))))
    effort = row["effort"] or {}
    st.markdown(
        f"**{plain(media['name'])}** · {plain(row['detector'])} · "
        f"{plain(', '.join(row['labels']) or 'any label')} · analysed "
        f"{plain(clock(effort.get('analysed_s', 0.0)))} · "
        f"{counted(effort.get('samples', 0), 'sample')}, {effort.get('failed', 0):,} failed"
    )
    total = store.count_sightings(run_id=run_id)
    if not total:
        st.markdown("No sighting was saved of it: no rule that was applied found anything.")
        return
    st.subheader(counted(total, "saved sighting"))
    found = store.sightings(run_id=run_id, limit=_MOST)
    st.dataframe([_shown(one) for one in found], hide_index=True, width="stretch", placeholder="")
    if total > len(found):
        st.caption(f"The first {len(found):,}; the page Sightings has all of them.")


def _shown(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "Label": one["label"],
        "From": media_time(one["onset_us"]),
        "To": media_time(one["offset_us"]),
        "Peak": round(one["peak_confidence"], 3),
        "Rule": one["rule_name"] or f"rule {one['rule_hash'][:6]}",
    }


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
