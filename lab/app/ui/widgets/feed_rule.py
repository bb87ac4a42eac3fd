"""Another rule for a feed: it decides from the next sample on, without a restart."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.dialogs import close_dialog
from lab.errors import LabError
from lab.feeds.commands import send
from lab.formats.markdown import plain
from lab.rules.parameters import RuleParameter
from lab.rules.rule import Rule, rule_parameters

_NUMBERS = ("score", "samples", "seconds", "fraction")
_OWN = "these settings"


@st.dialog("Rule of a feed", width="large", on_dismiss=close_dialog)
def change_rule(app_state: AppState, feed_id: str) -> None:
    """The settings of a feed's rule, and saved rules in their place."""
    feed = app_state.live.feed(feed_id)
    if feed is None:
        st.info("Nothing watches this feed now.")
        return
    before = Rule.from_dict(feed["rule"])
    st.markdown(f"**{plain(feed.get('name') or feed_id)}**")
    saved = {row["name"]: row["rule"] for row in app_state.store.rules()}
    picked = _OWN
    if saved:
        picked = st.selectbox("Rule", [_OWN, *saved], key=f"rule_of_{feed_id}")
    rule = _fields(before, feed_id) if picked == _OWN else saved[picked]
    st.caption("It decides from the next sample on, without a restart; what was told stays told.")
    if st.button("Apply", type="primary", disabled=rule is None) and rule is not None:
        name = None if picked == _OWN else picked
        _apply(app_state, feed_id, rule, name)


def _fields(before: Rule, feed_id: str) -> Rule | None:
    """The rule of the fields; None, with the reason on the page, where it is none."""
    if before.labels:
        few = plain(", ".join(sorted(before.labels)[:5]))
        st.caption(f"Labels with a rule of their own get the settings that you change, too: {few}.")
    now = before.default.debounce.to_dict() | before.default.box_filter.to_dict()
    changes: dict[str, Any] = {}
    shown = [
        p for p in rule_parameters().values() if p.slider and p.kind in _NUMBERS and not p.sets
    ]
    shown = [p for p in shown if p.name in now]
    columns = st.columns(3)
    for i, parameter in enumerate(shown):
        value = _field(columns[i % 3], parameter, now[parameter.name], feed_id)
        if value is not None and value != now[parameter.name]:
            changes[parameter.name] = value
    try:
        return before.changed(**changes)
    except LabError as error:
        st.error(plain(error))
        return None


def _field(place: Any, parameter: RuleParameter, value: Any, feed_id: str) -> float | int | None:
    title = parameter.title[:1].upper() + parameter.title[1:]
    if parameter.unit:
        title += f", {parameter.unit}"
    step = (parameter.slider or (0, 1))[1]
    number = int if parameter.kind == "samples" else float
    low, high = parameter.minimum or 0, parameter.maximum or math.inf
    found: float | None = place.number_input(
        plain(title),
        min_value=number(low),
        max_value=None if number is int else float(min(high, 1e9)),
        value=None if value is None else number(value),
        step=number(max(step, 1) if number is int else step),
        format="%d" if number is int else "%g",
        help=plain(parameter.text[:1].upper() + parameter.text[1:] + "."),
        key=f"rule_{feed_id}_{parameter.name}",
    )
    return found


def _apply(app_state: AppState, feed_id: str, rule: Rule, name: str | None) -> None:
    asked = {"do": "rule", "feed": feed_id, "rule": rule.to_dict(), "name": name}
    try:
        with st.spinner("Applying"):
            send(app_state.store.folder, asked)
    except LabError as error:
        st.error(plain(error))
        return
    st.toast("The feed decides by this rule now.")
    close_dialog()
    st.rerun()
