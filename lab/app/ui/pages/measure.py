"""The Measure page: from figures to a better rule, what to annotate next, and the proof."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import here, note_damage
from lab.app.ui.widgets.advice_tab import show_better_rule
from lab.app.ui.widgets.held_out import show_held_out
from lab.app.ui.widgets.how_good import show_how_good
from lab.app.ui.widgets.notes import sentence
from lab.app.ui.widgets.phrases_tab import phrasings
from lab.app.ui.widgets.progress import is_done
from lab.app.ui.widgets.questions import show_audit, show_queue
from lab.app.ui.widgets.selection import Selection, select
from lab.app.ui.widgets.steps import BETTER, GOOD, PROOF, choose_step, go_on_button
from lab.app.ui.widgets.thinning_tab import show_thinning
from lab.app.ui.widgets.two_sides import show_two_sides
from lab.errors import LabError
from lab.formats.markdown import plain

_MAX_DAMAGED = 20  # runs that are named
_MANY = 500  # clips whose scores are read in the background
Show = Callable[[AppState, Selection], None]
HELD_OUT, SIDES, PHRASINGS = "On footage held out", "Two runs or rules", "Phrasings"
ASK, AUDIT, FEWER = "What to annotate next", "Audit", "Fewer samples"
_SHOWN: dict[str, Show] = {GOOD: show_how_good, BETTER: show_better_rule}
_NEXT: dict[str, Show] = {ASK: show_queue, AUDIT: show_audit, FEWER: show_thinning}


def measure() -> None:
    """The whole page below its title: the step that the address names, and nothing of others."""
    app_state = here()
    st.html("<style>h3{font-size:1.2rem!important;padding-top:.3rem!important}</style>")
    step = choose_step()
    try:
        if step == PROOF:
            _proof(app_state)
        else:
            _of_selection(app_state, _SHOWN.get(step) or _next_step)
    except LabError as error:
        st.error(plain(sentence(str(error))))


def _of_selection(app_state: AppState, show: Show) -> None:
    """Show what is made of the runs that are chosen."""
    picked = select(app_state, "measure")
    if picked is None:
        return
    if len(picked.index) > _MANY and not is_done(app_state.scores(picked.run_ids)):
        return
    damaged = (run for run in picked.runs if run.damage is not None)
    note_damage(*islice(damaged, _MAX_DAMAGED))
    show(app_state, picked)


def _next_step(app_state: AppState, picked: Selection) -> None:
    _NEXT[_part("keep_next_part", list(_NEXT))](app_state, picked)
    go_on_button(PROOF, "Is it proven?")


def _proof(app_state: AppState) -> None:
    part = _part("keep_proof_part", [HELD_OUT, SIDES, PHRASINGS])
    if part == HELD_OUT:
        _of_selection(app_state, show_held_out)
    elif part == SIDES:
        show_two_sides(app_state)
    else:
        phrasings(app_state)


def _part(key: str, parts: list[str]) -> str:
    """A part of a step; the choice persists while other pages are open."""
    st.session_state.setdefault(key, parts[0])
    return (
        st.segmented_control(
            "Part",
            parts,
            key=key,
            persist_state="session",
            required=True,
            label_visibility="collapsed",
        )
        or parts[0]
    )
