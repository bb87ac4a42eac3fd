"""Live: a source is chosen and watched; its rule is tuned while it runs."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import here, note_damage
from lab.app.ui.widgets.live_form import start_form
from lab.app.ui.widgets.live_rule import apply_rule, rule_of_feed
from lab.app.ui.widgets.one_screen import one_screen
from lab.app.ui.widgets.player import show_player
from lab.app.ui.widgets.webcam import show_webcam
from lab.errors import LabError, LogRemovedError, NotFoundError
from lab.feeds.commands import send
from lab.formats.markdown import plain

_LOOK_S = 1.0
_ANSWER_S = 30.0
_RUNNING = ("starting", "live", "reconnecting", "frozen")
Status = dict[str, Any]


def live() -> None:
    """The whole page: a line of controls, and the player; or the form where nothing is watched."""
    app_state = here()
    feeds = app_state.live.feeds()
    if not feeds:
        _first(app_state)
        return
    one_screen()
    line = st.container(horizontal=True, vertical_alignment="center", key="context")
    feed_id = _choose(line, feeds)
    with line:
        _controls(app_state, feed_id, feeds[feed_id])
    _show(app_state, feed_id, feeds[feed_id])
    st.fragment(_look_again, run_every=_LOOK_S)(app_state, feed_id, _what(feeds[feed_id]))


def _first(app_state: AppState) -> None:
    """Nothing is watched yet."""
    st.title("Live")
    st.markdown(
        "Watch a camera, a stream, a folder or a clip as it goes: choose a source and what to look "
        "for, then start. What is seen is kept as a run like any other."
    )
    left, _ = st.columns([3, 2])
    with left:
        started = start_form(app_state)
    if started is None:
        st.fragment(_look_for_feeds, run_every=_LOOK_S)(app_state)
    else:
        _open(started)


def _open(feed_id: str) -> None:
    st.session_state.live_asked = feed_id
    st.session_state.live_form_done = True
    st.rerun()


def _choose(line: Any, feeds: dict[str, Status]) -> str:
    """The feed that was started just now, that the address names, or the first."""
    state = st.session_state
    asked = state.get("live_asked")  # it stays until the feed is there
    if asked is None and "live_feed" not in state:
        asked = st.query_params.get("feed")
    if asked in feeds:
        state.live_feed = asked
        state.pop("live_asked", None)
    elif state.get("live_feed") not in feeds:
        state.live_feed = next(iter(feeds))
    picked: str = line.selectbox(
        "Feed",
        list(feeds),
        key="live_feed",
        format_func=lambda one: feeds[one].get("name") or one,
        label_visibility="collapsed",
    )
    if st.query_params.get("feed") != picked:
        st.query_params["feed"] = picked
    return picked


def _controls(app_state: AppState, feed_id: str, status: Status) -> None:
    if st.session_state.pop("live_form_done", False):
        st.session_state.live_form = False
    with st.popover("New source", icon=":material/add:", key="live_form", on_change="rerun"):
        started = start_form(app_state)
    if started is not None:
        _open(started)
    is_running = status["state"] in _RUNNING
    if is_running and st.button("Stop", icon=":material/stop:", key="live_stop"):
        _ask(app_state, {"do": "stop", "feed": feed_id})
    if not is_running and st.button("Start", icon=":material/play_arrow:", key="live_again"):
        _ask(app_state, {"do": "start", "feed": feed_id})
    run_id = _run_of(app_state, feed_id, status)
    if run_id and st.button("Review", icon=":material/movie:", help="This session in Review"):
        st.switch_page("pages/review.py", query_params={"run": run_id})


def _ask(app_state: AppState, command: dict[str, Any]) -> None:
    try:
        send(app_state.store.folder, command, _ANSWER_S)
    except LabError as error:
        st.error(plain(error))
        return
    st.rerun()


def _show(app_state: AppState, feed_id: str, status: Status) -> None:
    """The player with the session that runs, or that ran last."""
    if status.get("source_type") == "webcam":  # first, so that it stays when the player comes
        show_webcam(feed_id)
    run_id = _run_of(app_state, feed_id, status)
    if run_id is None:
        return  # `_look_again` says why
    st.session_state.setdefault("live_runs", {})[feed_id] = run_id
    said = None if status.get("run_id") else _in_words({**status, "retry_at": None})
    try:
        run = app_state.run(run_id)
    except LogRemovedError:
        st.info(plain(said or "The score log of this session was removed."))
        return
    note_damage(run)
    rule = show_player(app_state, run, rule_of_feed(run, status), said=said)
    apply_rule(app_state, feed_id, rule)


def _run_of(app_state: AppState, feed_id: str, status: Status) -> str | None:
    """The run under way, or the last one that can be shown."""
    seen: dict[str, str] = st.session_state.get("live_runs", {})
    for run_id in (status.get("run_id"), status.get("last_run_id"), seen.get(feed_id)):
        if run_id:
            with suppress(NotFoundError):
                app_state.run_folder(run_id)
                return str(run_id)
    return None


def _in_words(status: Status) -> str:
    """How a feed is that has no run now."""
    state, reason = status["state"], status.get("reason")
    because = f": {reason}" if reason else ""
    words = {
        "live": "The source is there. The picture comes with the first sample.",
        "starting": f"Starting{because}. The picture comes with the first sample.",
        "reconnecting": f"The source is away{because}. {_next_try(status)}",
        "frozen": f"The picture is frozen{because}. It is connected again.",
        "stopped": "This feed is stopped. Start it again, or choose a new source.",
        "ended": "The source has ended. Start it again, or choose a new source.",
        "failed": f"This feed failed{because}. {_next_try(status)} Edit it on the page Feeds, or "
        "choose a new source.",
    }
    return words.get(state, f"The state is {state}.")


def _next_try(status: Status) -> str:
    left_s = (status.get("retry_at") or 0) - time.time()
    return f"Next try in {math.ceil(left_s)} s." if left_s > 0 else "It is tried again."


def _what(status: Status) -> tuple[Any, ...]:
    """What the page is made of: when it changes, the page is drawn again."""
    is_shown = status.get("run_id") is not None
    reason = None if is_shown else status.get("reason")
    state = status["state"] in _RUNNING if is_shown else status["state"]
    last = status.get("last_run_id")
    return status.get("run_id"), last, state, reason, status.get("rule_hash")


def _look_again(app_state: AppState, feed_id: str, before: tuple[Any, ...]) -> None:
    status = app_state.live.feed(feed_id)
    is_there = st.session_state.get("live_asked") in app_state.live.feeds()  # it was just started
    if status is None or is_there or _what(status) != before:
        st.rerun()
    elif _run_of(app_state, feed_id, status) is None:
        st.info(plain(_in_words(status)))


def _look_for_feeds(app_state: AppState) -> None:
    if app_state.live.feeds():
        st.rerun()
