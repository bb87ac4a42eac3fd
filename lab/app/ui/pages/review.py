"""Review: a line of controls, what is wrong, and the player with the rule."""

from __future__ import annotations

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import here, note_damage
from lab.app.ui.widgets.clip_address import is_waiting
from lab.app.ui.widgets.gate_report import gate_line
from lab.app.ui.widgets.group_bar import group_bar
from lab.app.ui.widgets.keep_rule import keep_panel
from lab.app.ui.widgets.one_screen import one_screen
from lab.app.ui.widgets.player import show_player
from lab.app.ui.widgets.prompts import add_panel
from lab.app.ui.widgets.questions import current_ask
from lab.app.ui.widgets.removed_logs import show_without_log
from lab.app.ui.widgets.review_address import asked_by_address, is_open, show_address
from lab.app.ui.widgets.rule_state import current_rule, current_seek, keep_place
from lab.app.ui.widgets.run_choice import choose_run, other_runs
from lab.errors import LogRemovedError
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.runs.run import Run


def about_run(app_state: AppState, run: Run, rule: Rule | None) -> None:
    """The run's state; opened, what it was made with. rule: None while its figures are hidden."""
    with st.popover(plain(run.state_in_words), help="About this run"):
        recipe = run.recipe
        st.markdown(
            f"{plain(run.media['name'])}  \n{plain(recipe['detector'])}, every "
            f"{run.sample_interval_s:g} s, {plain(', '.join(run.labels) or 'any label')}  \n"
            f"Run {plain(run.run_id)}"
        )
        if rule is not None:
            gate_line(app_state, run, rule)


def review() -> None:
    """The whole page: a line of controls, what is wrong, and the player."""
    one_screen()
    app_state = here()
    linked = asked_by_address()
    line = st.container(horizontal=True, vertical_alignment="center", key="context")
    ask = current_ask(app_state, line)
    run_id = choose_run(app_state, line, linked.get("run"))
    if run_id is None:
        st.info(
            "The score logs of all runs were removed to make room."
            if app_state.store.count_runs(has_log=False)
            else "Nothing has been analysed yet. Pick a clip and run a detector over it first."
        )
        st.page_link("pages/library.py", label="Go to Library", icon=":material/arrow_back:")
        return
    try:
        run = app_state.run(run_id)
    except LogRemovedError as error:
        show_without_log(app_state, run_id, error)
        return
    with line:
        other_runs(app_state, run)
    if run.error:
        say = st.warning if run.state_in_words == "cut off" else st.error
        say(f"This run is {plain(run.state_in_words)}: {plain(run.error)}")
    note_damage(run)
    if ask is not None and ask["media_id"] != run.media["media_id"]:
        st.info("The open question is about another clip. Choose that run again, or stop asking.")
        ask = None
    linked_rule = linked.get("rule") if linked.get("run") in (None, run_id) else None
    rule = current_rule(run, linked_rule)
    seek = current_seek(run_id, is_open=is_open()) if ask is None else None
    rule = show_player(app_state, run, rule, ask, seek=seek)
    is_blind = ask is not None and ask["blind"]
    show_address(run_id, None if is_blind else rule)
    keep_place(app_state, run_id, rule)
    with line:
        about_run(app_state, run, None if is_blind else rule)
        if ask is None:
            add_panel(app_state, run)
            group_bar(app_state, run, rule)
        if not is_blind:
            keep_panel(app_state, run, rule)
    if is_waiting(app_state, run):
        st.fragment(_look_again, run_every=1.5)(app_state, run_id, run.state)


def _look_again(app_state: AppState, run_id: str, state: str) -> None:
    if app_state.store.run(run_id)["state"] == state == "running":
        return  # the player takes what is new of it
    run = app_state.run(run_id)
    if run.state != state or not run.media["is_browser_playable"]:
        if run.state == state and is_waiting(app_state, run):
            return
        st.rerun()
