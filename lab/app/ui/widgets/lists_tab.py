"""The tabs Brands and Scenes: lists as tables, saved under their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from lab.app.server.state import AppState
from lab.detectors.zero_shot.saved_lists import (
    check_rows,
    list_path,
    named_lists,
    read_rows,
    save_rows,
)
from lab.errors import LabError
from lab.formats.markdown import code, plain

_WORDS = {
    "brands": (
        "brand",
        "terms",
        "logos",
        "Each term is used in “a photo of the … logo” and similar prompts.",
    ),
    "scenes": (
        "scene",
        "prompts",
        "scenes",
        "Prompts are whole descriptions; a scene without any uses its name.",
    ),
}
_BUILT_IN = "The built-in list"


@dataclass
class _Draft:
    """A table that is being edited.

    saved: the rows in the file.
    base: the rows with which the widget was created.
    now: the rows in the widget.
    mtime_ns: modification time of the file, ns.
    key: the widget's key; a new key creates the widget again.
    """

    saved: list[dict[str, str]]
    base: list[dict[str, Any]]
    now: list[dict[str, Any]]
    mtime_ns: int
    key: str = ""

    @property
    def is_changed(self) -> bool:
        return [r for r in self.now if any(r.values())] != self.saved


def edit_lists(app_state: AppState, kind: str) -> None:
    column, terms, detector, how = _WORDS[kind]
    saved = named_lists(kind)
    name = _opened(kind, list(saved))
    try:
        draft = _draft(kind, name)
    except LabError as error:
        st.error(plain(error))
        if name:
            _delete(kind, name)
        return
    st.caption(
        f"The classes of the detector {code(detector)}. {how} Separate {plain(terms)} by “; ”. "
        "A different list needs a new run."
    )
    edited = _table(kind, draft, column, terms)
    draft.now = edited
    problem = None
    try:
        checked = check_rows(kind, edited)
    except LabError as error:
        problem = error
        st.error(plain(error))
    else:
        state = "not saved yet" if draft.is_changed else "as saved" if name else "as built in"
        st.caption(f"{len(checked)} {plain(kind if len(checked) != 1 else column)}, {state}.")
    _save_form(kind, name, draft, problem is not None)
    if message := st.session_state.pop(f"{kind}_message", None):
        st.success(plain(message))
    if name:
        st.caption(f"Pass it to {code(detector)} as {code(kind)}:")
        st.code(saved[name], language=None, wrap_lines=True)
        _delete(kind, name)


def _delete(kind: str, name: str) -> None:
    with st.popover("Delete this list"):
        st.write("Runs made with it keep their results; they cannot be resumed without it.")
        if st.button(f"Delete {plain(name)}", key=f"{kind}_delete_{name}"):
            list_path(kind, name).unlink(missing_ok=True)
            _drafts(kind).pop(name, None)
            st.session_state[f"{kind}_next"] = ""
            st.session_state[f"{kind}_message"] = f"Deleted {name}."
            st.rerun()


def _opened(kind: str, names: list[str]) -> str | None:
    """The name of the list that is chosen; None is the built-in one."""
    key = f"keep_{kind}_list"
    if f"{kind}_next" in st.session_state:
        st.session_state[key] = st.session_state.pop(f"{kind}_next")
    if st.session_state.get(key, "") not in ["", *names]:
        st.session_state[key] = ""  # its file was removed
    picked = st.selectbox(
        "List", ["", *names], format_func=lambda n: n or _BUILT_IN, key=key, persist_state="session"
    )
    return picked or None


def _draft(kind: str, name: str | None) -> _Draft:
    """The draft of a list, kept across tabs and pages until it is saved or discarded."""
    drafts = _drafts(kind)
    mtime_ns = list_path(kind, name).stat().st_mtime_ns if name else 0
    draft = drafts.get(name)
    if draft is None or (draft.mtime_ns != mtime_ns and not draft.is_changed):
        rows = read_rows(kind, name)
        draft = drafts[name] = _Draft(rows, [*rows], [*rows], mtime_ns)
    elif draft.mtime_ns != mtime_ns:
        st.warning("The list was changed elsewhere in the meantime; saving here overwrites that.")
    return draft


def _drafts(kind: str) -> dict[str | None, _Draft]:
    drafts: dict[str | None, _Draft] = st.session_state.setdefault(f"{kind}_drafts", {})
    return drafts


def _table(kind: str, draft: _Draft, column: str, terms: str) -> list[dict[str, Any]]:
    if not draft.key or draft.key not in st.session_state:
        # New, or removed while its tab was closed: start with the edited rows.
        turn = st.session_state[f"{kind}_turn"] = st.session_state.get(f"{kind}_turn", 0) + 1
        draft.base, draft.key = [*draft.now], f"{kind}_table_{turn}"
    frame = pd.DataFrame(draft.base, columns=[column, terms], dtype="str")
    edited = st.data_editor(
        frame,
        key=draft.key,
        num_rows="dynamic",
        hide_index=True,
        width="stretch",
        height=420,
        column_config={
            column: st.column_config.TextColumn(column.capitalize(), width="medium"),
            terms: st.column_config.TextColumn(terms.capitalize(), width="large"),
        },
        placeholder="",
    )
    rows = edited.astype(object).where(edited.notna(), "").to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def _save_form(kind: str, name: str | None, draft: _Draft, has_problem: bool) -> None:
    first, second, third = st.columns([3, 1, 1], vertical_alignment="bottom")
    target = first.text_input(
        "Save as", name or "", key=f"{kind}_save_as_{name}", placeholder="letters, digits, - and _"
    ).strip()
    if third.button(
        "Discard changes", key=f"{kind}_discard", disabled=not draft.is_changed, width="stretch"
    ):
        _drafts(kind).pop(name)
        st.rerun()
    if second.button(
        "Save",
        key=f"{kind}_save",
        type="primary",
        disabled=not target or has_problem,
        width="stretch",
    ):
        try:
            path = save_rows(kind, target, draft.now, replace=target == name)
        except LabError as error:
            st.error(plain(error))
            return
        for done in {name, target}:
            _drafts(kind).pop(done, None)
        st.session_state[f"{kind}_next"] = target
        st.session_state[f"{kind}_message"] = f"Saved as {path.stem}."
        st.rerun()
