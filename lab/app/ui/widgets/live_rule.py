"""The rule of a feed on the page Live: the player's, and the one by which the feed decides."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.rule_state import load_rule
from lab.errors import LabError
from lab.feeds.commands import send
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.runs.run import Run

_ANSWER_S = 10.0


def rule_of_feed(run: Run, status: dict[str, Any]) -> Rule:
    """What the player shows: the feed's rule, unless it was moved here since.

    status: of the feed. A rule that was changed elsewhere meanwhile comes in.
    """
    state = st.session_state
    told = status["rule_hash"]
    is_other_run = state.get("rule_run") != run.run_id or "rule" not in state
    is_new = told != state.get("live_told") and told not in state.get("live_sent", ())
    if is_other_run or is_new:
        rule = Rule.from_dict(status["rule"])
        if is_other_run or rule.rule_hash != state.rule.rule_hash:
            load_rule(rule)
        state.rule_run, state.live_sent = run.run_id, [rule.rule_hash]
    state.live_told = told
    shown: Rule = state.rule
    return shown


def apply_rule(app_state: AppState, feed_id: str, rule: Rule) -> None:
    """Let the feed decide by the rule that the player shows, if that is another."""
    sent: list[str] = st.session_state.live_sent
    if sent[-1] == rule.rule_hash:
        return
    st.session_state.live_sent = [*sent[-20:], rule.rule_hash]
    command = {"do": "rule", "feed": feed_id, "rule": rule.to_dict(), "name": None}
    try:
        send(app_state.store.folder, command, _ANSWER_S)
    except LabError as error:
        st.toast(f"The feed keeps its rule: {plain(error)}", icon=":material/error:")
