"""Clips for the queue that are not in the library yet: a folder, a pattern, a job document."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from lab.app.server.computations import Report
from lab.app.server.state import AppState
from lab.app.ui.widgets.folder_browser import folder_button
from lab.app.ui.widgets.progress import is_done
from lab.config import Config
from lab.counted import counted
from lab.detectors.trust import check_allowed, named_by_path
from lab.errors import LabError, SettingError, printable
from lab.formats.markdown import code, plain
from lab.jobs.batch.clips import BatchClips, find_batch
from lab.jobs.batch.service import QueuedClip
from lab.jobs.batch.work import Work, work_of_document
from lab.jobs.document.document import JobDocument
from lab.jobs.document.read import job_of
from lab.jobs.document.text import plain_values

LIBRARY, FOLDER, DOCUMENT = "Library", "Folder", "Job"
_PLACE = "batch_place"
_REASONS = 5  # at once
_MOST_BYTES = 1_000_000


def source_choice() -> str:
    """Where the clips come from."""
    return str(
        st.segmented_control(
            "From",
            [LIBRARY, FOLDER, DOCUMENT],
            default=LIBRARY,
            key="batch_source",
            persist_state="session",
            required=True,
            label_visibility="collapsed",
        )
        or LIBRARY
    )


def clips_of_place(app_state: AppState) -> list[QueuedClip] | None:
    """The clips of a folder or pattern that the user names; None while there are none."""
    words, button = st.columns([3, 2], vertical_alignment="bottom")
    place = words.text_input(
        "Folder or pattern",
        key=_PLACE,
        persist_state="session",
        placeholder="cards/**/*.mp4",
        help="On the machine where this app runs, under its media roots. The clips are not opened "
        "before their turn, so that a folder of many thousand can be given.",
    )
    with button:
        folder_button(use=_take_folder)
    if not place.strip():
        st.caption("All videos in a folder and below, or those whose paths fit a pattern.")
        return None
    return _listed(app_state, ("place", place), lambda: find_in_roots(app_state.config, place))


def find_in_roots(config: Config, place: str) -> BatchClips:
    """What a folder, file or pattern names, absolute or below a media root.

    Nothing outside the roots is looked at, links resolved. Raises SettingError, ForbiddenError.
    """
    place = place.strip()
    if "\0" in place:
        raise SettingError("a path cannot hold a null character; name a folder or a pattern")
    absolute = Path(place).expanduser()
    tries = [absolute] if absolute.is_absolute() else [root / place for root in config.media_roots]
    for one in tries:
        config.allowed(_fixed_part(one))
    there = [one for one in tries if os.path.lexists(_fixed_part(one))]
    if not there:
        where = (
            ""
            if absolute.is_absolute()
            else (f" below the media roots ({', '.join(map(str, config.media_roots))})")
        )
        raise SettingError(
            f"there is no {printable(_fixed_part(Path(place)))}{where}; name a folder, a file or "
            "a pattern that is there"
        )
    found = find_batch(there)
    inside = BatchClips(refused=dict(found.refused))
    for path, stamp in found.clips.items():
        try:
            config.allowed(path)
        except LabError:
            inside.refused[path] = "leads out of the media roots"
        else:
            inside.clips[path] = stamp
    if inside.clips:  # another root may have nothing that fits a pattern
        inside.refused = {k: v for k, v in inside.refused.items() if "no file matches" not in v}
    return inside


def work_of_job(app_state: AppState) -> tuple[list[QueuedClip], Work] | None:
    """The clips and the analyses of a document that the user uploads; None while there are none."""
    file = st.file_uploader("Job document", type=["yaml", "yml", "json"], key="batch_document")
    if file is None:
        st.caption("As of `lab batch --job`: its clips, analyses and rules.")
        return None
    folder = next(iter(app_state.config.media_roots))
    try:
        document = document_for_page(app_state, file.getvalue(), file.name, folder)
    except LabError as error:
        st.error(plain(error))
        return None
    names = ", ".join(one.name for one in document.analyses)
    st.caption(
        f"{counted(len(document.analyses), 'analysis', 'analyses')}: {plain(names)}. Paths are "
        f"relative to {code(folder)}."
    )

    def find() -> BatchClips:
        whole = BatchClips()
        for path in document.paths:
            found = find_in_roots(app_state.config, str(folder / path))
            whole.clips |= found.clips
            whole.refused |= found.refused
        return whole

    clips = _listed(app_state, ("document", file.file_id), find)
    return None if clips is None else (clips, work_of_document(document, None))


def document_for_page(app_state: AppState, text: bytes, name: str, folder: Path) -> JobDocument:
    """A document that a page may run. Raises SettingError for what only a command line may do."""
    if len(text) > _MOST_BYTES:
        raise SettingError(f"{name} has more than {_MOST_BYTES:,} bytes; that is no job document")
    try:
        written = text.decode()
    except UnicodeDecodeError:
        raise SettingError(f"{name} is not a text in UTF-8; save it as one") from None
    way_out = f"run it in a terminal: lab batch --job {name}"
    if "${" in written:
        raise SettingError(f"{name} has variables, which a page does not read; {way_out}")
    document = job_of(
        plain_values(written, "json" if name.lower().endswith(".json") else "yaml"), folder=folder
    )
    if other := [sink["type"] for sink in document.sinks if sink["type"] != "store"]:
        raise SettingError(
            f"{name} writes to {', '.join(other)}, and the app keeps sightings in its store alone; "
            f"{way_out}"
        )
    for one in document.analyses:
        settings = {**one.settings, "name": one.detector}
        check_allowed(settings, app_state.config.services)
        if key := named_by_path(settings):
            raise SettingError(
                f"{one.name}: {key} must be a file of the models folder, got a path; {way_out}"
            )
    return document


def _take_folder(folder: Path) -> None:
    st.session_state[_PLACE] = str(folder)


def _fixed_part(path: Path) -> Path:
    """The folder that a pattern begins with."""
    parts: list[str] = []
    for part in path.parts:
        if glob.has_magic(part) and not os.path.lexists(Path(*parts, part)):
            break
        parts.append(part)
    return Path(*parts)


def _listed(
    app_state: AppState, key: tuple[str, Any], find: Callable[[], BatchClips]
) -> list[QueuedClip] | None:
    """The clips, listed in the background, with what was left out."""

    def do(report: Report) -> BatchClips:
        return find()

    doing = app_state.computations.get(key, "Looking for clips", do)
    if not is_done(doing):
        return None
    words, again = st.columns([3, 2], vertical_alignment="center")
    if again.button("Look again", icon=":material/refresh:", width="stretch"):
        app_state.computations.drop(key)
        st.rerun()
    try:
        found: BatchClips = doing.result
    except LabError as error:
        words.error(plain(error))
        return None
    words.markdown(f"**{counted(len(found.clips), 'clip')}**")
    _say_left_out(found)
    return [QueuedClip(path, stamp) for path, stamp in found.clips.items()] or None


def _say_left_out(found: BatchClips) -> None:
    for path, why in list(found.refused.items())[:_REASONS]:
        st.warning(plain(f"Left out: {why if path in why else f'{path} {why}'}"))
    if len(found.refused) > _REASONS:
        st.warning(f"{counted(len(found.refused) - _REASONS, 'other')} left out.")
