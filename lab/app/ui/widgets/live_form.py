"""A source to watch, chosen on the page Live: it becomes a feed."""

from __future__ import annotations

import re
import time
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.address import recall
from lab.app.ui.widgets.detector_form import detector_choice, detector_form, offered
from lab.app.ui.widgets.network_form import labels_of_default
from lab.app.ui.widgets.plugin_fields import fields_of, missing, settings_form
from lab.app.ui.widgets.typed import typed_source
from lab.app.ui.widgets.wanted import AUTOMATIC, DETECTOR, decide, wanted_words
from lab.errors import LabError
from lab.feeds.commands import send
from lab.formats.markdown import plain
from lab.video.live.captures.registered import captures

SOURCES = {
    "stream": "an IP camera or a stream: rtsp, http, HLS, MJPEG",
    "webcam": "the camera of this browser",
    "device": "a camera of the machine where this app runs",
    "file": "a clip, played at its own pace",
    "youtube": "a live stream or video on YouTube",
    "rtmp": "OBS or another program publishes here",
    "segments": "a folder that a recorder fills with segments",
    "images": "a folder of pictures, also time-lapse",
    "camera": "a virtual camera, by its WebSocket",
}
_FIRST = ("url", "path", "folder", "device", "loop", "fps", "position")
_EVERY_S = 0.5
_SIZE_PX = 416
_START_S = 60.0
_LATE_S = 0.3
_AGAIN = "live_start_again"
_DEFAULT = "the detector's own"
Row = dict[str, Any]


def start_form(app_state: AppState) -> str | None:
    """Source, detector, rule, and the button; the id of the feed that was started just now."""
    recall()
    source = _source()
    words = wanted_words()
    automatic = decide(words, labels_of_default())
    is_chosen = st.session_state.get(DETECTOR, AUTOMATIC) != AUTOMATIC
    if not is_chosen:
        st.caption(plain(automatic.why))
    with st.expander("Detector", expanded=is_chosen, icon=":material/settings:"):
        name = _detector(automatic.detector)
        found = detector_form(name, words, _SIZE_PX)
    every, rule, title = st.columns(3, vertical_alignment="bottom")
    every_s = every.number_input(
        "Seconds between samples", 0.05, 3600.0, _EVERY_S, 0.1, format="%g", key="live_every"
    )
    saved = {row["name"]: row["rule"] for row in app_state.store.rules()}
    picked = rule.selectbox("Rule", [_DEFAULT, *saved], key="live_rule")
    given = title.text_input("Name", key="live_name", placeholder="Pond", max_chars=60).strip()
    # What is wrong stands beside the button: below it a small window would not show it.
    line = st.container(horizontal=True, vertical_alignment="center")
    is_asked = line.button("Start", type="primary", icon=":material/play_arrow:", key="live_start")
    is_again = st.session_state.pop(_AGAIN, False)
    if not (is_asked or is_again):
        return None
    row: Row = {"name": given or source["type"], "source": source, "every_s": every_s}
    row["detector"] = None if found is None else {"type": found.pop("name"), **found}
    if picked != _DEFAULT:
        row["rule"] = picked
    with line.container():
        return _start(app_state, row, is_again=is_again)


def _source() -> Row:
    known = [kind for kind in SOURCES if kind in captures.names()]
    known += [kind for kind in captures.names() if kind not in known]
    kind = st.selectbox(
        "Source",
        known,
        format_func=lambda one: f"{one} · {SOURCES.get(one, 'plugin')}",
        key="live_source",
    )
    try:
        fields = fields_of(captures.get(kind))
    except LabError as error:
        st.error(plain(error))
        st.stop()
    if kind == "webcam":
        st.caption("The browser asks for its camera when the page watches it.")
    return {"type": kind, **settings_form(fields, {}, f"live_{kind}", _FIRST)}


def _detector(automatic: str) -> str:
    """The same choice as on the page Analyse."""
    if st.session_state.get(DETECTOR, AUTOMATIC) not in (AUTOMATIC, *offered()):
        st.session_state[DETECTOR] = AUTOMATIC
    return detector_choice(automatic)


def _start(app_state: AppState, row: Row, *, is_again: bool) -> str | None:
    kind = row["source"]["type"]
    lacking = missing(fields_of(captures.get(kind)), row["source"])
    if row["detector"] is None:
        lacking.append("the detector's settings")
    if lacking and not is_again:
        # A field that was left by the click on the button may reach the page after the click.
        st.session_state[_AGAIN] = True
        time.sleep(_LATE_S)
        st.rerun()
    if lacking:
        st.error(f"Still missing: {plain(', '.join(lacking))}.")
        return None
    try:
        row["source"] = typed_source(app_state, row["source"])
        with st.spinner("Starting"):
            app_state.watching.ensure_started()
            row["id"] = new_id(row["name"], app_state.live.feeds())
            send(app_state.store.folder, {"do": "add", "feed": row}, _START_S)
    except LabError as error:
        st.error(plain(error))
        return None
    return str(row["id"])


def new_id(name: str, taken: object) -> str:
    """An id for a feed of this name that is not among those that are taken."""
    known = set(taken)  # type: ignore[call-overload]
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "live"
    found, number = base, 1
    while found in known:
        number += 1
        found = f"{base}-{number}"
    return found
