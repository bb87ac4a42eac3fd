"""Clips whose file is gone, or is another one now: said in one line, with the way out."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.choices import MOST
from lab.counted import counted
from lab.formats.markdown import plain
from lab.video.identity import identity_problem, is_absent

_NAMES = 3


def without_file(app_state: AppState, media_ids: Iterable[str]) -> list[str]:
    """Those of these clips whose file is missing or another one; none are looked for in a list
    longer than those that a page shows at once.
    """
    ids = list(dict.fromkeys(media_ids))
    if len(ids) > MOST:
        return []
    media = app_state.store.media_rows(media_id=ids)
    return [
        one["media_id"]
        for one in media
        if not is_absent(one) and identity_problem(one, reads=False) is not None
    ]


def say_missing(app_state: AppState, media_ids: list[str], what_stays: str) -> None:
    """One line about clips without their file, and a link to Library, with these selected.

    what_stays: a sentence about what can be done without the file.
    """
    if not media_ids:
        return
    names = app_state.store.names_of_media(media_ids[:_NAMES])
    few = ", ".join(names.values()) + (", …" if len(media_ids) > _NAMES else "")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(
            f"The video of {counted(len(media_ids), 'clip')} is missing, or another one is at its "
            f"place: {plain(few)}. "
            f"{plain(what_stays)}"
        )
        st.page_link(
            "pages/library.py",
            label="Look for it in Library, or remove it",
            icon=":material/search:",
            query_params={"media": ",".join(media_ids[:1000])},
        )
