"""The address of the page Review: what it asks for, and what the page writes into it."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import streamlit as st

from lab.app.ui.widgets.rule_state import note_seek, rule_to_query
from lab.rules.rule import Rule

_VISIT = "review_visit"  # kept while Review is shown: what `_visited` was


def asked_by_address() -> dict[str, str]:
    """Run and rule of an address that was opened just now: by a link, by back or by forward.

    Empty once that was shown: the address that the browser sends may be older than what is shown,
    because it hears of a new one later than a control may be used again. Until then it stays, also
    where a rerun ended this one.
    """
    state = st.session_state
    if _VISIT not in state:
        state.address = dict(st.query_params)
    elif (visited := _visited()) is not None and visited != state[_VISIT]:
        state.address = dict(parse_qsl(json.loads(visited)[1].removeprefix("?")))
    else:
        return {}
    return dict(state.address)


def show_address(run_id: str, rule: Rule | None) -> None:
    """Write run and rule into the address, at once: each change is a step of its history.

    rule: None while it must not be told.
    """
    wanted = {"run": run_id} | ({} if rule is None else {"rule": rule_to_query(rule)})
    if st.session_state.address != wanted:
        st.session_state.address = wanted
        st.query_params.from_dict(wanted)
    note_seek()
    st.session_state[_VISIT] = _visited()


def is_open() -> bool:
    """Whether Review was shown since another page was."""
    return _VISIT in st.session_state


def leave_review() -> None:
    """Another page is shown: when this one is opened again, its address counts.

    What the session keeps of the player does not tell this: it outlasts the page where the next
    is opened before the script has ended.
    """
    st.session_state.pop(_VISIT, None)


def _visited() -> str | None:
    """When the browser went back or forward last, and to which address, as the player tells it."""
    return getattr(st.session_state.get("player"), "visited", None)
