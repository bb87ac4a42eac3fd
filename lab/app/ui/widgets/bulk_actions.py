"""What can be done with the sightings that are selected, or with all that match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.sighting_address import Shown
from lab.app.ui.widgets.sighting_list import forget_page
from lab.app.ui.widgets.sighting_marks import marked, set_marked
from lab.counted import counted
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.store.changes import Change
from lab.store.sightings import SightingFilter

_SELECTED, _ALL = "selected", "all"


def bulk_actions(app_state: AppState, shown: Shown, count: int) -> None:
    """count: of the sightings that are wanted."""
    picked = marked()
    if count:
        actions = st.popover(
            "Actions", icon=":material/edit:", key="bulk_actions", on_change="rerun"
        )
        if actions.open:
            with actions:
                _actions(app_state, shown, count, picked)
    undo_button(app_state)
    if picked:
        st.markdown(f"**{len(picked):,} selected**", width="content")
        st.button("Clear selection", type="tertiary", on_click=set_marked, args=([],))


def _actions(app_state: AppState, shown: Shown, count: int, picked: list[str]) -> None:
    options = {_SELECTED: f"The selected: {len(picked):,}", _ALL: f"All that match: {count:,}"}
    if not picked:
        del options[_SELECTED]
    of = st.radio("With", list(options), format_func=options.__getitem__, key="bulk_of")
    wanted = shown.wanted
    if of == _SELECTED:
        wanted = cast(SightingFilter, {"sighting_id": picked})
    store = app_state.store

    def do(make: Callable[..., Change], *given: Any, **named: Any) -> None:
        _do(app_state, lambda: make(*given, **named, **wanted))

    with st.container(horizontal=True, gap="small"):
        for text, verdict in (("True", "accepted"), ("False", "rejected"), ("Unsure", "unsure")):
            st.button(text, key=f"bulk_{verdict}", on_click=do,
                      args=(store.judge_sightings, verdict))  # fmt: skip
        st.button("Not reviewed", key="bulk_forget", on_click=do, args=(store.forget_verdicts,),
                  help="Take the verdicts away")  # fmt: skip
    label = _field("New label", "bulk_label")
    if _button("Relabel", "bulk_relabel", disabled=not label):
        do(store.judge_sightings, "rejected", new_label=label)
        st.rerun()
    tag = _field("Tag", "bulk_tag")
    with st.container(horizontal=True, gap="small"):
        if _button("Add tag", "bulk_add", disabled=not tag):
            do(store.tag_sightings, [tag])
            st.rerun()
        if _button("Remove tag", "bulk_remove", disabled=not tag):
            do(store.tag_sightings, (), [tag])
            st.rerun()
    _delete(app_state, wanted, do)


def _field(title: str, key: str) -> str:
    return st.text_input(plain(title), key=key).strip()


def _button(text: str, key: str, **more: Any) -> bool:
    return st.button(plain(text), key=key, **more)


def _delete(app_state: AppState, wanted: SightingFilter, do: Callable[..., None]) -> None:
    """What goes is said before it goes."""
    if not st.toggle("Delete…", key="bulk_delete"):
        return
    goes = app_state.store.what_goes_with_sightings(**wanted)
    words = f"{counted(goes['sightings'], 'sighting')} will be deleted"
    if goes["tags_and_notes"]:
        words += f", with the tags and notes of {goes['tags_and_notes']:,}"
    stays = goes["verdicts"] + goes["annotations"]
    if stays:
        words += f"; {counted(stays, 'verdict or annotation', 'verdicts and annotations')} stay"
    st.warning(
        f"{words}. Score logs stay: applying the rule again finds the same sightings. It can be "
        "undone until the app ends."
    )

    def delete() -> None:
        do(app_state.store.delete_sightings)
        set_marked([])
        st.session_state.bulk_delete = False

    st.button("Delete", key="bulk_delete_now", type="primary", on_click=delete)


def _do(app_state: AppState, make: Callable[[], Change]) -> None:
    try:
        change = make()
    except LabError as error:
        st.toast(plain(error), icon=":material/error:")
        return
    forget_page()
    words = f"{counted(change.count, 'sighting')}: {_IN_WORDS.get(change.what, change.what)}"
    app_state.changes.keep(change, words)
    st.toast(plain(f"{words}."))


_IN_WORDS = {"accepted": "true", "rejected": "false"}


def undo_button(app_state: AppState) -> None:
    """Takes back what was done to many sightings last, in whichever tab, while the app runs."""
    last = app_state.changes.last()
    if last is None:
        return
    change_id, words = last

    def undo() -> None:
        try:
            app_state.changes.undo(app_state.store, change_id)
        except LabError as error:
            st.toast(plain(error), icon=":material/error:")
            return
        forget_page()
        st.toast(plain(f"Undone: {words}."))

    st.button("Undo", key="bulk_undo", icon=":material/undo:", help=plain(words), on_click=undo)
