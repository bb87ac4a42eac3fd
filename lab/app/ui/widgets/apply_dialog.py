"""The dialog that applies a rule to all clips of a protocol: what would change, then doing it."""

from __future__ import annotations

import uuid
from collections.abc import Hashable
from typing import Any

import pandas as pd
import streamlit as st

from lab.app.server.computations import Report
from lab.app.server.state import AppState
from lab.app.ui.widgets.progress import is_done
from lab.counted import counted
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.runs.apply import Applied, apply
from lab.runs.run import Run

_KEY = "applying"
_MOST_ROWS = 500


def ask_to_apply(run: Run, rule: Rule) -> None:
    """Open the dialog, for this rule as it is now."""
    st.session_state[_KEY] = {
        "id": uuid.uuid4().hex,
        "run_id": run.run_id,
        "protocol": run.protocol_hash,
        "rule": rule,
        "name": None,
        "is_confirmed": False,
    }


def show_dialog(app_state: AppState, run: Run) -> None:
    """The dialog, if it was opened on this run and not closed since."""
    asked = st.session_state.get(_KEY)
    if asked is None:
        return

    def close() -> None:
        st.session_state.pop(_KEY, None)
        app_state.computations.drop(_key(asked, preview=True))  # saving goes on

    if asked["run_id"] != run.run_id:
        close()
        return
    st.dialog("Apply to all clips", width="large", on_dismiss=close)(_dialog)(app_state, asked)


def _key(asked: dict[str, Any], *, preview: bool) -> Hashable:
    return "apply", asked["id"], preview


def _dialog(app_state: AppState, asked: dict[str, Any]) -> None:
    try:
        if asked["is_confirmed"]:
            _apply(app_state, asked)
        else:
            _preview(app_state, asked)
    except LabError as error:
        st.error(plain(error))


def _computed(
    app_state: AppState, asked: dict[str, Any], what: str, *, preview: bool
) -> Applied | None:
    """What `apply` gives, or None while it is at it. Raises LabError as that does."""

    def do(report: Report) -> Applied:
        return apply(
            app_state.store,
            asked["rule"],
            asked["protocol"],
            name=asked["name"],
            run_id=asked["run_id"],
            preview=preview,
            progress=report,
        )

    doing = app_state.computations.get(_key(asked, preview=preview), what, do)
    if not is_done(doing):
        return None
    found: Applied = doing.result
    return found


def _preview(app_state: AppState, asked: dict[str, Any]) -> None:
    found = _computed(app_state, asked, "Looking for what would change", preview=True)
    if found is None:
        return
    _figures(found)
    name = f"apply_name_{asked['id']}"
    st.text_input(
        "Name of the rule",
        value=_known_name(app_state, asked, found),
        key=name,
        placeholder="Optional",
    )

    def confirm() -> None:
        asked["name"] = st.session_state[name].strip() or None
        asked["is_confirmed"] = True

    n = found.clip_count
    st.button(
        f"Apply to {'all ' if n > 1 else ''}{counted(n, 'clip')}",
        type="primary",
        key="apply_confirm",
        on_click=confirm,
    )


def _figures(found: Applied) -> None:
    """What would change, in all and in each clip, and what is left out."""
    was = "no rule was applied before" if found.previous is None else "of the current rule"
    columns = st.columns(3)
    columns[0].metric("Sightings before", f"{found.before:,}", help=f"Saved, {was}.")
    columns[1].metric("Sightings after", f"{found.after:,}")
    columns[2].metric("Clips that change", f"{found.changed_clips:,} of {found.clip_count:,}")
    clips = sorted(found.clips, key=lambda one: -one.changed)[:_MOST_ROWS]
    if len(clips) < len(found.clips):
        st.caption(f"{_MOST_ROWS} of {len(found.clips):,} runs, those that change most.")
    st.dataframe(
        pd.DataFrame(
            {
                "Clip": [one.clip for one in clips],
                "Before": [one.before for one in clips],
                "After": [one.after for one in clips],
                "Changed": [one.changed for one in clips],
            }
        ),
        hide_index=True,
        width="stretch",
        height=min(240, 36 * (len(clips) + 1)),
        placeholder="",
    )
    for one in found.left_out[:5]:
        st.caption(f"Left out: {plain(one.clip)}, run {plain(one.run_id)}: {plain(one.reason)}")
    if len(found.left_out) > 5:
        st.caption(f"And {counted(len(found.left_out) - 5, 'other run')} left out.")


def _known_name(app_state: AppState, asked: dict[str, Any], found: Applied) -> str:
    """The name under which the rule is current or saved already."""
    if found.name is not None:
        return found.name
    names = [row["name"] for row in app_state.store.rules() if row["rule"] == asked["rule"]]
    return names[0] if names else ""


def _apply(app_state: AppState, asked: dict[str, Any]) -> None:
    found = _computed(app_state, asked, "Saving the sightings", preview=False)
    if found is None:
        return
    n = found.clip_count
    st.toast(f"Applied to {counted(n, 'clip')}: {counted(found.after, 'sighting')} saved.")
    del st.session_state[_KEY]
    st.rerun()
