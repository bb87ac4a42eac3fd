"""What can be done with many clips at once: site and start, looking for files, removal."""

from __future__ import annotations

import streamlit as st

from lab.app.ui.shared import finish, here
from lab.app.ui.widgets.chosen import drop
from lab.app.ui.widgets.clip_card import start_values
from lab.app.ui.widgets.dialogs import close_dialog, is_open, open_dialog
from lab.counted import counted
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.runs.remove import in_words, remove_clips

_STARTS = ("leave as they are", "set for all", "shift", "clear")
_NAMES = 10


def action_buttons(media_ids: list[str]) -> None:
    """A button for each action, and the dialog of the one that was pressed."""
    for name, icon, dialog in (
        ("Site and start", ":material/edit:", _edit_clips),
        ("Look for files", ":material/search:", _look_for),
        ("Remove", ":material/delete:", _remove),
    ):
        st.button(name, icon=icon, on_click=open_dialog, args=(name,))
        if is_open(name):
            dialog(media_ids)


@st.dialog("Site and start", on_dismiss=close_dialog)
def _edit_clips(media_ids: list[str]) -> None:
    """The same site for clips; their starts set, shifted or cleared."""
    store = here().store
    st.caption(f"Of {counted(len(media_ids), 'clip')}.")
    has_site = st.checkbox("Change the site")
    site = st.text_input("Site", disabled=not has_site, help="Empty: no site.")
    how = st.selectbox("Starts", _STARTS)
    text, offset_h, shift_h = "", 0.0, 0.0
    if how == "set for all":
        text = st.text_input("Start, local time (YYYY-MM-DD HH:MM:SS)")
        offset_h = st.number_input("UTC offset, hours", -14.0, 14.0, 0.0, 0.25)
    elif how == "shift":
        shift_h = st.number_input(
            "Hours to add", -1e6, 1e6, 0.0, 1.0, format="%g",
            help="For a camera whose clock was wrong: 1 moves every start an hour later.",
        )  # fmt: skip
    nothing = not has_site and (how == _STARTS[0] or (how == "shift" and not shift_h))
    if not st.button("Keep", type="primary", disabled=nothing):
        return
    try:
        values = {"site": site.strip() or None} if has_site else {}
        if how == "set for all" and not text.strip():
            raise ValueError(text)
        if how in ("set for all", "clear"):
            values |= start_values(text.strip(), offset_h)
        if values:
            store.edit_clips(media_ids, **values)
        if how == "shift":
            store.shift_starts(media_ids, shift_h * 3600)
    except ValueError:
        st.error(f"The start time must be like 2026-05-01 18:30:00, got {plain(repr(text))}.")
        return
    except LabError as error:
        st.error(plain(error))
        return
    for media_id in media_ids:
        here().forget(media_id)
    close_dialog()
    st.rerun()


@st.dialog("Remove from the store", on_dismiss=close_dialog)
def _remove(media_ids: list[str]) -> None:
    """Say what goes with clips, and remove them."""
    store = here().store
    words = in_words(store.what_goes_with(media_ids))
    st.markdown(f"**{counted(len(media_ids), 'clip')}** will be removed" + (
        f", and with them **{plain(words)}**." if words else "; nothing was made of them yet."
    ))  # fmt: skip
    st.caption(
        "This cannot be undone. Video files are not deleted; those that were uploaded are moved "
        f"to {plain(store.folder / 'removed')}."
    )
    if not st.button(f"Remove {counted(len(media_ids), 'clip')}", type="primary"):
        return
    try:
        remove_clips(store, media_ids)
    except (LabError, OSError) as error:
        st.error(plain(error))
        return
    for media_id in media_ids:
        here().forget(media_id)
    drop(media_ids)
    close_dialog()
    st.session_state.pop("library_opened", None)
    st.rerun()


@st.dialog("Look for moved files", on_dismiss=close_dialog)
def _look_for(media_ids: list[str]) -> None:
    """Search the media roots for the files of clips, by their content."""
    app_state = here()
    roots = app_state.config.media_roots
    st.markdown(
        f"The files of {counted(len(media_ids), 'clip')} are looked for, by what is in them and "
        f"not by name, under {plain(', '.join(map(str, roots)))}. "
        "Runs and annotations stay with them."
    )
    if not st.button("Look", type="primary"):
        return
    job = app_state.engine.submit(
        "relink",
        f"look for {counted(len(media_ids), 'clip')}",
        media_ids=media_ids,
        places=[str(root) for root in roots],
        store=str(app_state.store.folder),
    )
    result = finish(job, "Looking…", clips=len(media_ids))
    if result is None:
        return
    for media_id in media_ids:
        app_state.forget(media_id)
    problems = [why for why in result["problems"].values() if why]
    there = counted(len(media_ids) - len(problems), "clip")
    st.success(f"{there} found, or still in place.")
    for why in problems[:_NAMES]:
        st.warning(plain(why))
    if len(problems) > _NAMES:
        st.warning(f"{len(problems) - _NAMES:,} more were not found.")
