"""A feed made, changed or removed on the page Feeds."""

from __future__ import annotations

from typing import Any

import streamlit as st
import yaml

from lab.app.server.feeds import feeds_of
from lab.app.server.made_here import of_file
from lab.app.server.state import AppState
from lab.app.ui.widgets.detector_form import detector_form, in_words, offered
from lab.app.ui.widgets.dialogs import close_dialog
from lab.app.ui.widgets.plugin_fields import fields_of, missing, settings_form
from lab.app.ui.widgets.prompts import prompt_chips
from lab.app.ui.widgets.typed import typed_source
from lab.app.ui.widgets.wanted import LABEL
from lab.errors import LabError, SettingError
from lab.feeds.commands import send
from lab.feeds.feed import EVERY_S, FEED_ID, Feed
from lab.feeds.write_feeds import app_file
from lab.formats.markdown import plain
from lab.video.live.captures.registered import captures

_SOURCES = {
    "stream": "an IP camera or a stream: rtsp, http, HLS, MJPEG",
    "device": "a camera of the machine where this app runs",
    "youtube": "a live stream or video on YouTube",
    "rtmp": "OBS or another program publishes here",
    "file": "a clip, played at its own pace",
    "segments": "a folder that a recorder fills with segments",
    "images": "a folder of pictures, also time-lapse",
    "camera": "a virtual camera, by its WebSocket",
}
_FIRST = ("url", "path", "index", "loop")
_NOT_HERE = ("webcam",)  # it needs an open page: the page Live has it
_START_S = 30.0
Row = dict[str, Any]


def written(app_state: AppState) -> dict[str, Any]:
    """The feeds and sinks that were made on pages, as they are written; secrets as `${NAME}`."""
    file = app_file(app_state.store.folder)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        content = None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingError(f"{file} cannot be read: {error}") from None
    return content if isinstance(content, dict) else {}


def ask(app_state: AppState, command: dict[str, Any], said: str) -> None:
    """Have the process that watches do something, started if need be; then the page again."""
    try:
        with st.spinner("One moment"):
            app_state.watching.ensure_started()
            send(app_state.store.folder, command, _START_S)
    except LabError as error:
        st.error(plain(error))
        return
    st.toast(plain(said))
    close_dialog()
    st.rerun()


@st.dialog("Add a feed", width="large", on_dismiss=close_dialog)
def add_feed(app_state: AppState, _: str) -> None:
    first, second = st.columns(2)
    feed_id = first.text_input(
        "Id",
        key="new_feed_id",
        placeholder="garden",
        help="Letters, digits, `_`, `.` and `-`. It names the feed in files, sinks and figures.",
    ).strip()
    name = _name(second, {}, "new")
    row = {**({"name": name} if name else {}), **_fields(app_state, {}, "new")}
    if not st.button("Add", type="primary", key="new_feed_add"):
        return
    if not FEED_ID.fullmatch(feed_id):
        st.error("Give an id: letters, digits, `_`, `.` and `-`, at most 64.")
    elif feed_id in feeds_of(app_state):
        st.error(f"There is a feed {plain(repr(feed_id))} already; give another id.")
    else:
        _send(app_state, "add", {"id": feed_id, **row}, "Added.")


@st.dialog("Edit a feed", width="large", on_dismiss=close_dialog)
def edit_feed(app_state: AppState, feed_id: str) -> None:
    rows = written(app_state).get("feeds") or []
    before = next((one for one in rows if one.get("id") == feed_id), None)
    if before is None:
        file = (app_state.live.get() or {}).get("file") or "its file"
        st.info(f"This feed is in {plain(file)}: edit it there. It is read again when it changes.")
        return
    st.markdown(f"**{plain(feed_id)}** · it begins a new run when this is saved")
    name = _name(st, before, f"edit_{feed_id}")
    row = {"name": name, **_fields(app_state, before, f"edit_{feed_id}")}
    if st.button("Save", type="primary", key="edit_feed_save"):
        _send(app_state, "edit", {**before, **row}, "Saved.")


@st.dialog("Remove a feed", on_dismiss=close_dialog)
def remove_feed(app_state: AppState, feed_id: str) -> None:
    if of_file(app_state)("feeds", feed_id):
        st.info("This feed is in the file that is watched: remove it there.")
        return
    name = feeds_of(app_state).get(feed_id, {}).get("name") or feed_id
    st.markdown(
        f"**{plain(name)}** is not watched any more. Its runs, sightings and recordings stay: "
        "the page Library removes those."
    )
    if st.button("Remove", type="primary", key="remove_feed"):
        ask(app_state, {"do": "remove", "feed": feed_id}, "Removed.")


def _send(app_state: AppState, do: str, row: Row, said: str) -> None:
    """What the fields gave, if it is whole and may be asked for by a page."""
    kind = row["source"]["type"]
    lacking = missing(fields_of(captures.get(kind)), row["source"])
    if row.get("detector") is None:
        lacking.append("the detector's settings")
    if lacking:
        st.error(f"Still missing: {plain(', '.join(lacking))}.")
        return
    try:
        row["source"] = typed_source(app_state, row["source"])
    except LabError as error:
        st.error(plain(error))
        return
    ask(app_state, {"do": do, "feed": row}, said)


def _name(place: Any, before: Row, key: str) -> str:
    name: str = place.text_input("Name", before.get("name") or "", key=f"{key}_name", max_chars=100)
    return name.strip()


def _fields(app_state: AppState, before: Row, key: str) -> Row:
    source = _source(before.get("source") or {}, key)
    row: Row = {"source": source, "detector": _detector(before, key)}
    first, second = st.columns(2)
    row["every_s"] = first.number_input(
        "Seconds between samples", 0.05, 3600.0, float(before.get("every_s", EVERY_S)), 0.5,
        format="%g", key=f"{key}_every",
    )  # fmt: skip
    known = _sinks(app_state, before)
    row["sinks"] = second.multiselect(
        "Tell these sinks",
        known,
        [one for one in before.get("sinks") or [] if one in known],
        key=f"{key}_sinks",
        help="What is found is always stored; sinks are told besides.",
    )
    with st.expander("Recording and start"):
        hours, size = st.columns(2)
        row["keep_hours"] = hours.number_input(
            "Keep recordings, hours", 0.0, 24 * 3650.0,
            float(before.get("keep_hours", Feed.keep_s / 3600)), 1.0, format="%g",
            key=f"{key}_keep", help="0 keeps none: then Review has no picture of what was seen.",
        )  # fmt: skip
        row["keep_gb"] = size.number_input(
            "At most, GB", 0.1, 1e6, float(before.get("keep_gb", Feed.keep_bytes / 2**30)), 1.0,
            format="%g", key=f"{key}_gb",
        )  # fmt: skip
        row["start"] = st.toggle("Start by itself", before.get("start", True), key=f"{key}_start")
    return row


def _source(before: Row, key: str) -> Row:
    known = [kind for kind in captures.names() if kind not in _NOT_HERE]
    known.sort(key=lambda kind: list(_SOURCES).index(kind) if kind in _SOURCES else len(_SOURCES))
    kind = st.selectbox(
        "Source",
        known,
        known.index(before["type"]) if before.get("type") in known else 0,
        format_func=lambda one: f"{one} · {_SOURCES.get(one, 'plugin')}",
        key=f"{key}_source",
    )
    given = before if before.get("type") == kind else {}
    fields = fields_of(captures.get(kind))
    chosen = settings_form(fields, given, f"{key}_{kind}", _FIRST)
    return {"type": kind, **chosen}


def _detector(before: Row, key: str) -> Row | None:
    old = before.get("detector")
    if old:
        st.caption(f"Detector: {plain(old.get('type', ''))}")
        if not st.toggle("Another detector", key=f"{key}_other"):
            return dict(old)
    names = offered()
    name = st.selectbox("Detector", names, format_func=in_words, key=f"{key}_detector")
    words = prompt_chips(LABEL, "keep_feed_prompts")
    settings = detector_form(name, words)
    if settings is None:
        return None
    return {"type": settings.pop("name"), **settings}


def _sinks(app_state: AppState, before: Row) -> list[str]:
    told = (app_state.live.get() or {}).get("sinks") or {}
    names = {*told, *(written(app_state).get("sinks") or {}), *(before.get("sinks") or [])}
    return sorted(names)
