"""What the addresses of Library and Run keep, so that a reload of the page loses nothing."""

from __future__ import annotations

import streamlit as st

from lab.app.ui.widgets.prompts import KEY

_DETECTOR = "keep_detector"
_MAX_PROMPT_CHARS = 1500  # browsers and proxies refuse addresses of a few thousand
_MAX_CLIPS = 1000  # longer addresses are refused by the server itself


def recall() -> None:
    """Take prompts and detector of a new session from the address, before their widgets."""
    state, query = st.session_state, st.query_params
    if KEY not in state and (prompts := query.get_all("for")):
        state[KEY] = list(dict.fromkeys(prompts))
    if _DETECTOR not in state and query.get("detector"):
        state[_DETECTOR] = query["detector"]  # the page replaces an unknown one


def kept(media_ids: list[str]) -> dict[str, str | list[str]]:
    """The clips, prompts and detector of this session, for an address."""
    prompts = st.session_state.get(KEY, [])
    detector = st.session_state.get(_DETECTOR)
    wanted: dict[str, str | list[str]] = {}
    if 0 < len(media_ids) <= _MAX_CLIPS:
        wanted["media"] = ",".join(media_ids)
    if prompts and sum(map(len, prompts)) <= _MAX_PROMPT_CHARS:
        wanted["for"] = list(prompts)
    if detector:
        wanted["detector"] = detector
    return wanted


def keep(media_ids: list[str]) -> None:
    """Write clips, prompts and detector into the address of this page."""
    wanted = kept(media_ids)
    query: dict[str, str | list[str]] = {
        name: st.query_params.get_all(name) if name == "for" else st.query_params[name]
        for name in st.query_params
    }
    if query != wanted:
        st.query_params.from_dict(wanted)
