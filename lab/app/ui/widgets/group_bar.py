"""The clips that were analysed with one protocol: going through them, their current rule."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.apply_dialog import ask_to_apply, show_dialog
from lab.app.ui.widgets.rule_state import go_to_clip
from lab.counted import counted
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.store.current_rules import CurrentRule


def group_bar(app_state: AppState, run: Run, rule: Rule) -> None:
    """One line: the previous and the next clip, with this rule; applying it to all; its undo."""
    place = app_state.store.place_among_clips(run.run_id)
    if place is None:
        return
    current = current_of(app_state, run)
    n = place["finished"]
    _steps(place, rule)
    if st.button(
        f"Apply to all {n:,} clips" if n > 1 else "Apply to this clip",
        key="group_apply",
        disabled=n == 0,
        help="Save the sightings of this rule in all clips of this protocol (the same detector, "
        "labels and sampling), and make it their current rule. What would change is shown first.",
    ):
        ask_to_apply(run, rule)
    with st.popover("Current", help="The rule whose sightings Sightings shows"):
        _say_current(app_state, run, rule, current)
        if current is not None and st.button(
            "Undo", key="group_undo", icon=":material/undo:", help="Go back to the rule before."
        ):
            _undo(app_state, run)
    show_dialog(app_state, run)


def current_of(app_state: AppState, run: Run) -> CurrentRule | None:
    """The rule that was applied to the clips that were analysed as this one."""
    return app_state.store.current_rules(run.protocol_hash).get(run.protocol_hash)


def say_saved(app_state: AppState, run: Run, rule: Rule, count: int) -> None:
    """Say that the sightings of one run were saved, and whether Sightings shows them."""
    current = current_of(app_state, run)
    words = f"{counted(count, 'sighting')} saved."
    if current is not None and current.rule.rule_hash != rule.rule_hash:
        words += (
            f" Sightings shows those of the current rule, {plain(current.title)}, unless others "
            "are chosen there."
        )
    st.toast(words)


def _steps(place: dict[str, Any], rule: Rule) -> None:
    """The buttons to the clips before and after this one."""
    if place["clips"] < 2:
        return
    for sign, where, run_id in (
        ("‹", "previous", place["previous_run_id"]),
        ("›", "next", place["next_run_id"]),
    ):
        if where == "next":
            st.caption(f"{place['position']:,} of {place['clips']:,}", width="content")
        if st.button(
            sign,
            key=f"group_{where}",
            disabled=run_id is None,
            help=f"The {where} clip of this protocol; the rule is kept.",
        ):
            go_to_clip(run_id, rule)


def _say_current(app_state: AppState, run: Run, rule: Rule, current: CurrentRule | None) -> None:
    if current is None:
        st.markdown("No rule was applied to these clips yet.")
        return
    is_shown = current.rule.rule_hash == rule.rule_hash
    words = f"Current rule: **{plain(current.title)}**" + (
        ", shown here" if is_shown else "; shown here is another"
    )
    since = app_state.store.clips_without_current_rule(run.protocol_hash)
    if since:
        words += f"; {counted(since, 'clip')} analysed since, apply it again"
    removed = app_state.store.count_removed_logs(run.protocol_hash)
    if removed:
        words += f"; {counted(removed, 'run')} without a score log keep what they had"
    st.markdown(f"{words}.")


def _undo(app_state: AppState, run: Run) -> None:
    try:
        before = app_state.store.undo_current_rule(run.protocol_hash)
    except LabError as error:
        st.error(plain(error))
        return
    st.toast(
        "No rule is current now."
        if before is None
        else f"The rule before, {plain(before.title)}, is current again."
    )
    st.rerun()
