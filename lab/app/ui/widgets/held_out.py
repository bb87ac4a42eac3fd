"""Proof on footage held out: figures of rules on clips on which they were not chosen."""

from __future__ import annotations

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.advice_tab import recommendation, say_held_out
from lab.app.ui.widgets.big_figures import show_figures
from lab.app.ui.widgets.notes import sentence
from lab.app.ui.widgets.selection import Selection
from lab.app.ui.widgets.steps import BETTER, go_on_button
from lab.app.ui.widgets.sweep_tab import current_sweep
from lab.formats.markdown import plain
from lab.rules.wording import rule_in_words
from lab.tuning.recommend import Recommendation


def show_held_out(app_state: AppState, picked: Selection) -> None:
    """Held-out figures of the search, and what it gains over the rule in use."""
    swept = current_sweep(app_state, picked)
    if swept is None:
        st.info(
            "Held out means: a rule is chosen on some clips and counted on others, so that its "
            "figures are what to expect of new footage. That needs a search for a better rule "
            "first."
        )
        go_on_button(BETTER, "Search for a better rule")
        return
    found = recommendation(app_state, picked, swept)
    if found is not None:
        _held_out(found)


def _held_out(found: Recommendation) -> None:
    for note in found.notes:  # such as: all footage is of one clip
        st.warning(plain(sentence(note)))
    if found.held_out is not None:
        show_figures(found.held_out, {})
        say_held_out(found)
    st.markdown(f"**{plain(found.verdict[:1].upper() + found.verdict[1:])}.**")
    if found.difference is not None:
        text = found.difference.text()
        st.caption(
            plain("" if text in found.verdict else f"Best found less yours: {text}. ")
            + "Where the interval in brackets contains 0, chance alone may have made it."
        )
    st.caption(f"Advised: {plain(rule_in_words(found.rule.default))}.")
