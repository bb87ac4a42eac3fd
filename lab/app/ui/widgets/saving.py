"""Saving what the player shows, and nothing else."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lab.app.server.result import result_of
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.runs.run import Run

_OLD = (
    "Not saved: the figures on the page were older than the rule or the run. Look at them once "
    "they have come, and save again."
)


def has_figures(run: Run, rule: Rule) -> bool:
    """Whether the player shows figures of this run and rule, and not of those before."""
    shown = st.session_state.get("result") or ""
    return bool(shown.startswith(f"{run.run_id} {rule.rule_hash} "))


def is_shown(run: Run, rule: Rule) -> bool:
    """Whether the player shows just what would be saved: a run that goes on finds more."""
    return bool(st.session_state.get("result") == result_of(run.run_id, rule, run.find(rule)))


def save_button(place: Any, text: str, run: Run, rule: Rule, **button: Any) -> bool:
    """A button for what is shown: whether it was clicked, and still is shown.

    place: where it goes. button: for Streamlit. It is off while the player's figures are older.
    """
    is_off = button.pop("disabled", False) or not has_figures(run, rule)
    if not place.button(plain(text), disabled=is_off, **button):
        return False
    if is_shown(run, rule):
        return True
    st.warning(_OLD)
    return False


def save_sightings_button(place: Any, run: Run, rule: Rule, name: str, **button: Any) -> int | None:
    """Store the sightings that are shown, under the name of their rule, if it has one.

    How many; None if nothing was saved.
    """
    if not save_button(place, "Save sightings", run, rule, type="primary", **button):
        return None
    return run.save_sightings(rule, name.strip() or None)
