"""Anchors of cameras' clocks, and what they do to the first and the last clip."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.choices import choose_one
from lab.clock import Anchor
from lab.counted import counted
from lab.deployment import Deployment
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.study.clock_effect import anchor_of, clock_effect

_MOST_FOUND = 5000


def show_clocks(app_state: AppState) -> None:
    deployments = {one.deployment_id: one for one in app_state.store.deployments()}
    if not deployments:
        st.info("No deployments yet: add them first, in the part Deployments.")
        return
    st.markdown(
        "A moment at which both the camera's clock and the true time are known is an anchor. One "
        "corrects an offset, two also a drift. The start by the camera is kept beside it."
    )
    with_anchors = app_state.store.anchors()

    def find(text: str, limit: int) -> dict[str, str]:
        words = text.lower().split()
        fitting = [
            one
            for one in deployments.values()
            if all(word in f"{one.deployment_id} {one.site}".lower() for word in words)
        ]
        fitting.sort(key=lambda one: one.deployment_id not in with_anchors)
        return {one.deployment_id: _title(one, with_anchors) for one in fitting[:limit]}

    picked = choose_one(
        st, "Deployment", find, "clock_deployment", what="Parts of a name", persist_state="session"
    )
    if picked is None or picked not in deployments:
        return
    one = deployments[picked]
    anchors = with_anchors.get(picked, [])
    _list(app_state, one, anchors)
    _add(app_state, one, anchors)


def _title(one: Deployment, with_anchors: dict[str, list[Anchor]]) -> str:
    n = len(with_anchors.get(one.deployment_id, []))
    return f"{one.deployment_id} · {one.site}" + (f" · {counted(n, 'anchor')}" if n else "")


def _list(app_state: AppState, one: Deployment, anchors: Sequence[Anchor]) -> None:
    for i, anchor in enumerate(anchors):
        words, act = st.columns([6, 1], vertical_alignment="center")
        words.markdown(
            f"The clock said **{plain(anchor.camera_local.isoformat(' '))}** at "
            f"**{plain(one.local(anchor.true_utc).replace('T', ' '))}**"
        )
        if act.button("Remove", key=f"anchor_{one.deployment_id}_{i}"):
            _set(app_state, one, [a for a in anchors if a != anchor])
    if anchors:
        _effect(app_state, one, anchors)


def _add(app_state: AppState, one: Deployment, anchors: Sequence[Anchor]) -> None:
    first, second = st.columns(2)
    n = st.session_state.get("anchor_n", 0)  # another one empties the fields
    camera = first.text_input(
        "The camera's clock said", key=f"anchor_camera_{n}", placeholder="2026-05-01 11:00:00"
    )
    true = second.text_input(
        "True time",
        key=f"anchor_true_{n}",
        placeholder="2026-05-01 10:00:00",
        help=plain(f"In {one.zone}, or with its offset, such as 2026-05-01 10:00:00+02:00."),
    )
    if not camera.strip() or not true.strip():
        return
    try:
        new = [*anchors, anchor_of(camera.strip(), true.strip(), one.zone)]
        st.markdown("**With this anchor**")
        _effect(app_state, one, new)
    except LabError as error:
        st.error(plain(error))
        return
    if st.button("Keep the anchor", type="primary", key="keep_anchor"):
        st.session_state.anchor_n = n + 1
        _set(app_state, one, new)


def _effect(app_state: AppState, one: Deployment, anchors: Sequence[Anchor]) -> None:
    found = clock_effect(app_state.store, one.deployment_id, anchors)
    if not found:
        st.caption("Its clips have no starts yet, or it has none.")
        return
    names = ["First clip", "Last clip"]
    rows = [
        {
            "": name,
            "Clip": effect.clip,
            "Start by the camera": effect.camera.replace("T", " "),
            "Correction, s": effect.correction_s,
            "Start": effect.corrected.replace("T", " "),
            "Outside of the period": "yes" if effect.is_outside else "",
        }
        for name, effect in zip(names, found, strict=False)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", placeholder="")


def _set(app_state: AppState, one: Deployment, anchors: Sequence[Anchor]) -> None:
    warnings = app_state.store.set_anchors(one.deployment_id, anchors)
    for clip in app_state.store.clip_ids(deployment_id=one.deployment_id):
        app_state.forget(clip)
    corrected = app_state.store.deployment_facts()[one.deployment_id]["corrected"]
    message = f"{counted(corrected, 'clip')} of {one.deployment_id} corrected."
    st.session_state.sites_message = " ".join([message, *(f"Look: {text}." for text in warnings)])
    st.rerun()
