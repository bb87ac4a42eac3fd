"""What Review does with the rule on the page: save it with its sightings, load another."""

from __future__ import annotations

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.group_bar import say_saved
from lab.app.ui.widgets.rule_state import load_rule
from lab.app.ui.widgets.saving import save_button, save_sightings_button
from lab.errors import SettingError
from lab.experiments.entry import save_rule_entry
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.runs.run import Run


def keep_panel(app_state: AppState, run: Run, rule: Rule) -> None:
    """Save the rule and the sightings, load a saved rule."""
    with st.popover("Rules", help="Save this rule, or load one"):
        _rules(app_state, run, rule)
    name = st.session_state.get("rule_name") or ""
    count = save_sightings_button(st, run, rule, name)
    if count is not None:
        say_saved(app_state, run, rule, count)


def _rules(app_state: AppState, run: Run, rule: Rule) -> None:
    name = st.text_input(
        "Name of the rule", key="rule_name", placeholder="for example: otters, strict"
    )
    if save_button(st, "Save rule", run, rule, disabled=not name.strip(), width="stretch"):
        by = st.session_state.get("chosen_by") or {}
        split = by.get("split") if by.get("rule_hash") == rule.rule_hash else None
        truth = app_state.truth.truth_of(run.media["media_id"])
        save_rule_entry(run, rule, name, truth, split=split)
        st.toast(f"Rule {plain(repr(name))} saved, with an entry in Notebook.")
    saved = {row["name"]: row["rule"] for row in app_state.store.rules()}
    if not saved:
        return
    picked = st.selectbox("Saved rules", list(saved), index=None, placeholder="Load a rule")
    if picked and st.button(f"Load {plain(repr(picked))}"):
        try:
            saved[picked].check_floor(run.recipe["score_floor"])
            saved[picked].wanted(run.labels)
            load_rule(saved[picked])
            st.rerun()
        except SettingError as error:
            st.error(plain(error))
