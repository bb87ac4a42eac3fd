"""What Review does with the rule on the page: save it, load another, copy it as text."""

from __future__ import annotations

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.group_bar import say_saved
from lab.app.ui.widgets.rule_state import load_rule
from lab.app.ui.widgets.saving import save_button, save_sightings_button
from lab.app.ui.widgets.snippets import as_command, as_python, as_yaml
from lab.errors import LabError, SettingError
from lab.experiments.entry import save_rule_entry
from lab.formats.markdown import plain
from lab.jobs.document.export import document_of, text_of
from lab.rules.rule import Rule
from lab.runs.run import Run


def keep_panel(app_state: AppState, run: Run, rule: Rule) -> None:
    """Save the rule and the sightings, load a saved rule, copy the settings."""
    with st.popover("Code", help="The same settings as Python, YAML, command line and job"):
        _snippets(run, rule)
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


def _snippets(run: Run, rule: Rule) -> None:
    python, yaml, command, job = st.tabs(["Python", "YAML", "Command line", "Job"])
    python.code(as_python(run, rule), language="python")
    yaml.code(as_yaml(rule), language="yaml")
    command.code(as_command(run, rule), language="bash")
    with job:
        _job(run, rule)
    st.caption(
        "Each gives the same sightings. The address of this page contains the run and the rule."
    )


def _job(run: Run, rule: Rule) -> None:
    """The whole analysis as one document."""
    try:
        text = text_of(document_of(run, rule))
    except LabError as error:
        st.caption(f"This run cannot be written as a job: {plain(error)}")
        return
    st.code(text, language="yaml", height=220)
    st.download_button("Download job.yaml", text, "job.yaml", "application/yaml")
    st.caption("Run it again anywhere: `lab analyze --job job.yaml`")
