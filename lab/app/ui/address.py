"""What the addresses of Source and Run keep, so that a reload of the page loses nothing."""

from __future__ import annotations

import streamlit as st

from lab.app.ui.widgets.prompts import KEY

_DETECTOR = "keep_detector"
_LONGEST = 1500  # characters of prompts; browsers and proxies refuse addresses of some thousands


def recall() -> None:
    """In a fresh session: prompts and detector as the address says. Before their widgets are made."""
    state, said = st.session_state, st.query_params
    if KEY not in state and (prompts := said.get_all("for")):
        state[KEY] = list(dict.fromkeys(prompts))
    if _DETECTOR not in state and said.get("detector"):
        state[_DETECTOR] = said["detector"]  # one that there is not is replaced by the page


def kept(media_ids: list[str]) -> dict[str, str | list[str]]:
    """The clips, prompts and detector of this session, for an address."""
    prompts = st.session_state.get(KEY, [])
    detector = st.session_state.get(_DETECTOR)
    wanted: dict[str, str | list[str]] = {"media": ",".join(media_ids)} if media_ids else {}
    if prompts and sum(map(len, prompts)) <= _LONGEST:
        wanted["for"] = list(prompts)
    if detector:
        wanted["detector"] = detector
    return wanted


def keep(media_ids: list[str]) -> None:
    """Write them into the address of this page."""
    wanted = kept(media_ids)
    said: dict[str, str | list[str]] = {
        name: st.query_params.get_all(name) if name == "for" else st.query_params[name]
        for name in st.query_params
    }
    if said != wanted:
        st.query_params.from_dict(wanted)
