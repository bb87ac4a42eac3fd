"""A sink made, changed, tried or removed on the page Feeds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import streamlit as st

from lab.app.server.made_here import of_file
from lab.app.server.state import AppState
from lab.app.ui.widgets.dialogs import close_dialog
from lab.app.ui.widgets.feed_form import ask, written
from lab.app.ui.widgets.plugin_fields import fields_of, missing, settings_form
from lab.app.ui.widgets.typed import typed
from lab.errors import LabError
from lab.feeds.kept_secrets import without_secrets
from lab.formats.markdown import plain
from lab.sinks.registered import sinks

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_WORDS = {
    "discord": "a message with the picture in a Discord channel",
    "webhook": "a signed request to an address of yours",
    "notify": "Slack, e-mail, Telegram and others, by Apprise",
    "mqtt": "Home Assistant and others, by MQTT",
    "clips": "a video of each sighting",
    "csv": "a table that grows",
    "jsonl": "a file with one JSON object a line",
    "console": "lines in the terminal that watches",
    "comment": "a comment under a live stream",
    "supabase": "rows and pictures in Supabase",
    "redis": "a stream or sorted set in Redis",
    "rest": "a collector, by REST",
    "dataset": "pictures with labels, to train with",
}
_ALWAYS_ON = ("store", "json")  # the store needs no sink; json is of jobs alone
_PLACES = ("path", "dir")
_FIRST = ("url", "webhook_url", "path", "dir", "host", "urls", "template")


@st.dialog("Add a sink", width="large", on_dismiss=close_dialog)
def add_sink(app_state: AppState, _: str) -> None:
    kinds = [kind for kind in sinks.names() if kind not in _ALWAYS_ON]
    kinds.sort(key=lambda kind: list(_WORDS).index(kind) if kind in _WORDS else len(_WORDS))
    kind = st.selectbox(
        "Type", kinds, format_func=lambda one: f"{one} · {_WORDS.get(one, 'plugin')}"
    )
    name = st.text_input("Name", kind, key=f"new_sink_{kind}", help="Feeds name it so.").strip()
    chosen = _fields(kind, {}, "new_sink")
    if not st.button("Add", type="primary", key="new_sink_add"):
        return
    if not _NAME.fullmatch(name):
        st.error("Give a name of letters, digits, `_` and `-`.")
    elif name in (written(app_state).get("sinks") or {}):
        st.error(f"There is a sink {plain(repr(name))} already; give another name.")
    else:
        _send(app_state, name, kind, chosen, "Added. Feeds tell it once they name it.")


@st.dialog("Edit a sink", width="large", on_dismiss=close_dialog)
def edit_sink(app_state: AppState, name: str) -> None:
    before = (written(app_state).get("sinks") or {}).get(name)
    if not isinstance(before, dict):
        st.info("This sink is in the file that is watched: edit it there.")
        return
    kind = str(before.get("type") or name)
    st.markdown(f"**{plain(name)}** · {plain(kind)}")
    chosen = _fields(kind, before, f"edit_sink_{name}")
    if st.button("Save", type="primary", key="edit_sink_save"):
        _send(app_state, name, kind, chosen, "Saved.")


@st.dialog("Remove a sink", on_dismiss=close_dialog)
def remove_sink(app_state: AppState, name: str) -> None:
    if of_file(app_state)("sinks", name):
        st.info("This sink is in the file that is watched: remove it there.")
        return
    row = ((app_state.live.get() or {}).get("sinks") or {}).get(name) or {}
    st.markdown(f"**{plain(name)}** is told nothing any more, by no feed.")
    if row.get("waiting"):
        st.warning(f"{row['waiting']:,} events wait for it; they are lost.")
    if st.button("Remove", type="primary", key="remove_sink"):
        ask(app_state, {"do": "remove_sink", "sink": name}, "Removed.")


@st.dialog("Send a test", on_dismiss=close_dialog)
def test_sink(app_state: AppState, name: str) -> None:
    st.markdown(
        f"**{plain(name)}** gets an event that says that it is a test, with a made picture. "
        "Nothing is stored."
    )
    if st.button("Send", type="primary", key="test_sink"):
        ask(
            app_state,
            {"do": "test_sink", "sink": name},
            "A test is on its way; the state of the sink says how it went.",
        )


def _fields(kind: str, before: dict[str, Any], key: str) -> dict[str, Any] | None:
    try:
        fields = fields_of(sinks.get(kind))
    except LabError as error:  # a package that is not installed
        st.error(plain(error))
        return None
    return settings_form(fields, before, f"{key}_{kind}", _FIRST)


def _send(
    app_state: AppState, name: str, kind: str, chosen: dict[str, Any] | None, said: str
) -> None:
    if chosen is None:
        return
    if lacking := missing(fields_of(sinks.get(kind)), chosen):
        st.error(f"Still missing: {plain(', '.join(lacking))}.")
        return
    try:
        settings = without_secrets(app_state.store, typed(app_state, _placed(app_state, chosen)))
    except LabError as error:
        st.error(plain(error))
        return
    ask(app_state, {"do": "sink", "name": name, "sink": {"type": kind, **settings}}, said)


def _placed(app_state: AppState, chosen: dict[str, Any]) -> dict[str, Any]:
    """With the places that a page may have written: under the media_roots, or in a folder for it.

    Raises ForbiddenError.
    """
    folder = app_state.store.folder.absolute() / "feeds" / "written"
    places = {key: chosen[key] for key in _PLACES if chosen.get(key)}
    return chosen | {
        key: str(app_state.config.allowed(folder / Path(place).expanduser(), folder))
        for key, place in places.items()
    }
