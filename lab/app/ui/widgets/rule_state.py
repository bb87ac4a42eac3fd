"""The rule of the page Review: in the session, in the address, loaded from elsewhere."""

from __future__ import annotations

import base64
import json
import uuid
import zlib
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.errors import SettingError
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.runs.run import Run


def rule_to_query(rule: Rule) -> str:
    """A rule as the value of `rule` in the page's address."""
    text = json.dumps(rule.to_dict(), separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def rule_from_query(word: str) -> Rule:
    """The rule in a page's address. Raises SettingError if the address was cut or changed."""
    try:
        raw = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
        text = zlib.decompressobj().decompress(raw, 1 << 20)
        return Rule.from_dict(json.loads(text))
    except (ValueError, zlib.error, TypeError, AttributeError) as error:
        raise SettingError(
            f"the rule in this address cannot be read ({error}); ask for the link again"
        ) from None


def current_rule(run: Run, linked: str | None) -> Rule:
    """The rule of an address that was opened just now (linked: as it stands there), else of this
    session, else the one that was applied to the clips of the run's protocol, else the run's
    default.
    """
    state = st.session_state
    tuned: dict[str, Rule] = state.setdefault("rules_of_runs", {})
    is_other = state.get("rule_run") != run.run_id or "rule" not in state
    if is_other or (linked is not None and linked != rule_to_query(state.rule)):
        rule = tuned.get(run.run_id) or _applied_rule(run) or run.default_rule
        if linked is not None:
            try:
                rule = rule_from_query(linked)
                rule.check_floor(run.recipe["score_floor"])
                rule.wanted(run.labels)
            except SettingError as error:
                st.warning(plain(error))
                rule = run.default_rule
        load_rule(rule)
        state.rule_run = run.run_id
    tuned[run.run_id] = state.rule
    kept: Rule = state.rule
    return kept


def _applied_rule(run: Run) -> Rule | None:
    current = run.store.current_rules(run.protocol_hash).get(run.protocol_hash)
    try:
        if current is not None:
            current.rule.wanted(run.labels)
            return current.rule
    except SettingError:  # of a detector that declares no labels, and found others here
        return None
    return None


def keep_place(app_state: AppState, run_id: str, rule: Rule) -> None:
    """Note in the store which run and rule are looked at, for whoever opens it next."""
    here = (run_id, rule.rule_hash)
    if st.session_state.get("kept_place") != here:
        st.session_state.kept_place = here
        app_state.store.keep_place(run_id, rule)


def load_rule(rule: Rule) -> None:
    """Make `rule` the session's rule, which the player then loads."""
    st.session_state.rule = rule
    # By this the player knows that it is another; a page outlives its session, so no counter.
    st.session_state.rule_n = uuid.uuid4().hex


def go_to_clip(run_id: str, rule: Rule) -> None:
    """Draw Review again with another run and this rule."""
    load_rule(rule)
    st.session_state.rule_run = run_id
    st.session_state.review_run = run_id
    st.rerun()


def go_to_moment(run_id: str, rule: Rule, pts_s: float | None) -> None:
    """Open Review with a run and a rule, at pts_s seconds of media time (None: as it was)."""
    load_rule(rule)
    st.session_state.rule_run = run_id
    forget_seek()
    if pts_s is not None:
        st.session_state.seek = {"run_id": run_id, "t": pts_s, "n": uuid.uuid4().hex}
    st.switch_page("pages/review.py", query_params={"run": run_id})


def current_seek(run_id: str, *, is_open: bool) -> dict[str, Any] | None:
    """Where the player goes once, with `t` in seconds of media time; None if nowhere.

    It is of one run and of one visit of the page: another run begins at its start, and so does
    this one when it is opened again. is_open: whether this visit has been shown before.
    """
    seek: dict[str, Any] | None = st.session_state.get("seek")
    if seek is None or seek["run_id"] != run_id or (seek.get("is_done") and not is_open):
        forget_seek()
        return None
    return {"t": seek["t"], "n": seek["n"]}


def note_seek() -> None:
    """The player was told where to go."""
    if (seek := st.session_state.get("seek")) is not None:
        seek["is_done"] = True


def forget_seek() -> None:
    """Go nowhere: something else says where to look."""
    st.session_state.pop("seek", None)
