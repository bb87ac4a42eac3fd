"""A browser of the media roots: folders and clips on this machine, and nothing outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import pandas as pd
import streamlit as st

from lab.app.ui.shared import here, size
from lab.app.ui.widgets.add_clips import add_clips, allowed_among
from lab.app.ui.widgets.dialogs import close_dialog, is_open, open_dialog
from lab.app.ui.widgets.pager import pager
from lab.counted import counted
from lab.errors import LabError, printable
from lab.formats.markdown import plain
from lab.runs.find_clips import find_clips
from lab.video.container import VIDEO_SUFFIXES

_FOLDERS, _CLIPS, _REASONS = 60, 200, 20  # at once
_KEY = "browser_folder"


def folder_button(
    kind: Literal["primary", "secondary"] = "secondary", use: Callable[[Path], None] | None = None
) -> None:
    """A button that opens the browser, to add clips; or, with `use`, to name a folder to it."""
    st.button(
        "Choose a folder",
        icon=":material/folder_open:",
        type=kind,
        width="stretch",
        on_click=open_dialog,
        args=("folder",),
    )
    if is_open("folder"):
        _choose_folder(use)


@st.dialog("Choose a folder", width="large", on_dismiss=close_dialog)
def _choose_folder(use: Callable[[Path], None] | None) -> None:
    """Walk through folders, and add clips of one, or all in it and below, or use the folder."""
    folder = _folder()
    if folder is None:
        _show_roots()
        return
    _show_way(folder)
    try:
        folders, clips, refused = _look_into(folder)
    except OSError as error:
        st.error(f"{plain(printable(folder))} cannot be listed: {plain(error.strerror or error)}")
        return
    _show_folders(folders)
    if use is not None:
        st.caption(f"{counted(len(clips), 'clip')} in this folder itself.")
        if st.button(
            "Use this folder and all below",
            type="primary",
            width="stretch",
            on_click=_use,
            args=(use, folder),
        ):
            st.rerun()
        return
    marked = _show_clips(folder, clips)
    if refused:
        more = f" and {len(refused) - _REASONS} more" if len(refused) > _REASONS else ""
        st.warning(plain("Left out: " + "; ".join(refused[:_REASONS]) + more))
    here_only, below = st.columns(2)
    wanted = marked or clips
    what = (
        f"Add the {len(wanted):,} marked"
        if marked
        else f"Add {'this' if len(wanted) == 1 else 'these'} {counted(len(wanted), 'clip')}"
    )
    if here_only.button(what, disabled=not wanted, type="primary", width="stretch"):
        _add(allowed_among(wanted, []), folder, [])
    if below.button(
        "Add all in this folder and below", disabled=not (folders or clips), width="stretch"
    ):
        _add_all(folder)


def _use(use: Callable[[Path], None], folder: Path) -> None:
    use(folder)
    close_dialog()


def _folder() -> Path | None:
    """Where the browser is; None for the list of roots, also if the folder is gone."""
    given = st.session_state.get(_KEY)
    roots = here().config.media_roots
    if given is None:
        return roots[0] if len(roots) == 1 else None
    try:
        folder = here().config.allowed(given)
    except LabError:
        return None
    return folder if folder.is_dir() else None


def _go(folder: Path | None) -> None:
    st.session_state[_KEY] = None if folder is None else str(folder)


def _show_roots() -> None:
    st.caption(
        "Folders that this app may read; `media_roots` in lab.toml or LAB_MEDIA_ROOTS sets them."
    )
    for i, root in enumerate(here().config.media_roots):
        st.button(
            plain(printable(root)),
            key=f"root_{i}",
            icon=":material/folder:",
            width="stretch",
            on_click=_go,
            args=(root,),
            disabled=not root.is_dir(),
        )


def _show_way(folder: Path) -> None:
    """The folders from the root to this one, each a button."""
    roots = here().config.media_roots
    root = max((r for r in roots if folder.is_relative_to(r)), key=lambda r: len(r.parts))
    way = [root, *(root.joinpath(*folder.relative_to(root).parts[: i + 1])
                   for i in range(len(folder.relative_to(root).parts)))]  # fmt: skip
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if len(roots) > 1:
            st.button("All folders", key="way_roots", type="tertiary", on_click=_go, args=(None,))
        for i, one in enumerate(way):
            st.markdown("/", width="content")
            st.button(
                plain(printable(one.name or one)),
                key=f"way_{i}",
                type="tertiary",
                on_click=_go,
                args=(one,),
                disabled=one == folder,
            )


def _look_into(folder: Path) -> tuple[list[Path], list[Path], list[str]]:
    """Folders and clips in it, by name, and a line about each clip that cannot be used."""
    folders, named = [], []
    for entry in sorted(folder.iterdir(), key=lambda e: e.name.lower()):
        try:
            is_folder = entry.is_dir()
        except OSError:
            continue
        if is_folder:  # also one that is named like a video
            folders.append(entry)
        elif entry.suffix.lower() in VIDEO_SUFFIXES:
            named.append(entry)
    clips, refused = find_clips(named)
    allowed_among(clips, refused)
    inside = [clip for clip in clips if _is_allowed(clip)]
    return [f for f in folders if not f.name.startswith(".") and _is_allowed(f)], inside, refused


def _is_allowed(path: Path) -> bool:
    try:
        here().config.allowed(path)
    except LabError:
        return False
    return True


def _show_folders(folders: list[Path]) -> None:
    if len(folders) > _FOLDERS:
        words = st.text_input("Find a folder", key="browser_find", placeholder="Parts of its name")
        found = [f for f in folders if words.lower() in f.name.lower()]
        if len(found) > _FOLDERS:
            st.caption(f"The first {_FOLDERS} of {len(found):,} folders.")
        folders = found[:_FOLDERS]
    columns = st.columns(3, gap="small") if folders else []
    for i, one in enumerate(folders):
        columns[i % 3].button(
            plain(printable(one.name)),
            key=f"into_{one}",
            icon=":material/folder:",
            width="stretch",
            on_click=_go,
            args=(one,),
        )


def _show_clips(folder: Path, clips: list[Path]) -> list[Path]:
    """A table of the clips; those that are marked."""
    if not clips:
        st.caption("No videos in this folder itself.")
        return []
    first = pager("browser", len(clips), _CLIPS, of=str(folder))
    shown = clips[first : first + _CLIPS]
    frame = pd.DataFrame(
        {"Clip": [one.name for one in shown], "Size": [size(b) for b in _sizes(shown)]}
    )
    event = st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        height=min(300, 38 + 35 * len(shown)),
        on_select="rerun",
        selection_mode="multi-row",
        key=f"browser_{folder}_{first}_{len(clips)}",
        placeholder="",
    )
    return [shown[i] for i in event["selection"]["rows"] if i < len(shown)]


def _sizes(files: Iterable[Path]) -> list[int]:
    return [file.stat().st_size if file.exists() else 0 for file in files]


def _add_all(folder: Path) -> None:
    try:
        found, refused = find_clips([folder])
    except LabError as error:
        st.error(plain(error))
        return
    _add(allowed_among(found, refused), folder, refused)


def _add(clips: list[Path], folder: Path, refused: list[str]) -> None:
    add_clips(clips, folder)
    st.session_state.refused = [*st.session_state.refused, *refused]
    st.session_state.go_to_library = True
    close_dialog()
    st.rerun()
