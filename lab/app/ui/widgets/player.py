"""The player with the rule: what it is given, and the rule that it gives back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, timedelta
from typing import Any

import streamlit as st

from lab.app.server.recording_routes import is_recording
from lab.app.server.state import AppState
from lab.app.ui.shared import asset, here, script
from lab.app.ui.widgets.clip_address import clip_address
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.rules.rule import Rule, rule_parameters
from lab.runs.run import Run
from lab.score_log.score_log import log_fingerprint

_player = st.components.v2.component(
    "lab_player",
    html=asset("player/player.html"),
    css=asset("player/player.css"),
    js=script("player/main.js"),
)


def show_player(
    app_state: AppState,
    run: Run,
    rule: Rule,
    ask: dict[str, Any] | None = None,
    *,
    seek: dict[str, Any] | None = None,
    said: str | None = None,
) -> Rule:
    """Show the player; return the rule as of the last released control.

    ask: a question from the queue or an audit, with label, start_us, end_us, origin, text,
        title and n.
    seek: where it goes once, as of `current_seek`.
    said: how the feed is whose last run this is, on the picture.
    """
    media = run.media
    source, wait = clip_address(app_state, media)
    data = {
        "run_id": run.run_id,
        "state": run.state,
        "log_v": log_fingerprint(run.store.log_folder(run.run_id)) if run.state == "done" else "",
        "media_id": media["media_id"],
        "src": source,
        "src_wait": wait,
        "is_recording": is_recording(app_state, media),
        "live": live_feed(app_state, run),
        "said": said,
        "first_pts_us": media["first_pts_us"],
        "end_us": media["end_us"],
        "browser_offset_us": media["browser_offset_us"],
        "start_ms": _start_ms(media),
        "size_px": list(run.size_px),
        "frame_rate": media["frame_rate"],
        "interval_s": run.sample_interval_s,
        "score_floor": run.recipe["score_floor"],
        "gate": bool(run.recipe.get("gate")),
        "rule": rule.to_dict(),
        "rule_n": st.session_state.rule_n,
        "session": st.session_state.setdefault("session", uuid.uuid4().hex),
        "sliders": sliders(),
        "seek": seek,
        "ask": ask,
    }
    result = _player(
        key="player",
        height="stretch",
        data=data,
        on_rule_change=_take_told_rule,
        on_run_state_change=lambda: None,
        on_answered_change=lambda: None,
        on_visited_change=lambda: None,
    )
    return rule_from_player(result.get("rule"), run, rule)


def live_feed(app_state: AppState, run: Run) -> str | None:
    """The feed whose run this is now, while it is watched."""
    found = app_state.live.of_run(run.run_id)
    return None if found is None else found[0]


def _start_ms(media: Mapping[str, Any]) -> int | None:
    """When the clip's time 0 was, by local time, in milliseconds as if that were UTC."""
    if media["start_utc"] is None:
        return None
    corrected_s = (media["utc_offset_s"] or 0) + (media["clock_correction_s"] or 0)
    local = media["start_utc"].replace(tzinfo=UTC) + timedelta(seconds=corrected_s)
    return round(local.timestamp() * 1000)


def sliders() -> list[list[Any]]:
    """Rows for the player: name, title, minimum, maximum, step, help; or a heading alone."""
    rows: list[list[Any]] = []
    group = None
    for name, p in rule_parameters().items():
        if p.slider is None:
            continue
        if p.group != group:
            rows.append([p.group])
            group = p.group
        maximum, step = p.slider
        rows.append(
            [name, p.title, p.minimum or (step if p.kind == "score" else 0), maximum, step, p.text]
        )
    return rows


def rule_from_player(text: str | None, run: Run, rule: Rule) -> Rule:
    """The rule that the player sent, or `rule` if the message is stale or not valid.

    The component keeps its last message over a switch of run or rule; that message is then stale.
    What it shows is kept as `result`; it is None until the figures are those of this rule.
    """
    st.session_state.result = None
    try:
        new = _told_rule(text, run)
    except (LabError, ValueError, KeyError, AttributeError) as error:
        st.error(f"{plain(error)}. The last valid rule stays in use.")
        return rule
    return new or rule


def _take_told_rule() -> None:
    """Before any page is drawn, so that a page that is left at once loses nothing.

    What cannot be read is said when the page is drawn.
    """
    player = st.session_state["player"]
    with suppress(LabError, ValueError, KeyError, AttributeError):
        _told_rule(player.rule, here().run(st.session_state.rule_run))


def _told_rule(text: str | None, run: Run) -> Rule | None:
    """Keep the rule of a message for its run; None if the message is of another run or rule.

    Raises LabError, ValueError, KeyError or AttributeError if the message cannot be read.
    """
    message = json.loads(text) if text else {}
    if (message.get("run_id"), message.get("rule_n")) != (run.run_id, st.session_state.rule_n):
        return None
    new = Rule.from_dict(message["rule"])
    new.check_floor(run.recipe["score_floor"])
    st.session_state.result = message.get("result")
    st.session_state.rule = new
    st.session_state.setdefault("rules_of_runs", {})[run.run_id] = new
    return new
