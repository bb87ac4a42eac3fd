"""The address of the page Review: what it asks for, and what the page writes into it."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import streamlit as st

from lab.app.ui.widgets.rule_state import rule_to_query
from lab.rules.rule import Rule


def asked_by_address() -> dict[str, str]:
    """Run and rule of an address that was opened just now: by a link, by back or by forward.

    Empty at other reruns: the address that the browser sends may be older than what is shown,
    because it hears of a new one later than a control may be used again.
    """
    state = st.session_state
    visited = getattr(state.get("player"), "visited", None)
    if "player" not in state:
        state.address = dict(st.query_params)
    elif visited is not None and visited != state.get("visited"):
        state.address = dict(parse_qsl(json.loads(visited)[1].removeprefix("?")))
    else:
        return {}
    state.visited = visited
    return dict(state.address)


def show_address(run_id: str, rule: Rule | None) -> None:
    """Write run and rule into the address, at once: each change is a step of its history.

    rule: None while it must not be told.
    """
    wanted = {"run": run_id} | ({} if rule is None else {"rule": rule_to_query(rule)})
    if st.session_state.address != wanted:
        st.session_state.address = wanted
        st.query_params.from_dict(wanted)
