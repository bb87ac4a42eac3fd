"""Putting analyses into the queue from a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from lab.annotation import utc_now
from lab.app.server.state import AppState
from lab.counted import counted
from lab.errors import LabError, SettingError
from lab.formats.markdown import plain
from lab.jobs.batch.service import QueuedClip
from lab.jobs.batch.work import AppliedRule, Work
from lab.jobs.queue.queued_job import Stamp
from lab.video.identity import identity_problem

_REASONS = 5  # at once
CURRENT = "current"


def work_of_page(analyses: list[Any], *, reuse: bool, rule: AppliedRule | str | None) -> Work:
    """reuse: give the run of the same recipe where there is one. rule: whose sightings are saved;
    `CURRENT` for those that are current.
    """
    return Work(
        analyses,
        rule if isinstance(rule, AppliedRule) else None,
        is_current=rule == CURRENT,
        since=None if reuse else utc_now(),
    )


def submit(app_state: AppState, media: Sequence[dict[str, Any]], work: Work) -> None:
    """Queue clips of the store; `say_not_started` shows which ones cannot be analysed."""
    clips: list[QueuedClip] = []
    refused = st.session_state.not_started = []
    for row in media:
        try:
            clips.append(clip_of(app_state, row))
        except LabError as error:
            refused.append(str(error))
    start(app_state, clips, work)


def clip_of(app_state: AppState, row: dict[str, Any]) -> QueuedClip:
    """A clip of the store as the queue takes it. Raises LabError if it cannot be analysed."""
    if (address := app_state.address_of(row)) is not None:
        return QueuedClip(address, Stamp(), row["media_id"])
    file = app_state.clip_file(row)
    if problem := identity_problem(row, reads=False):
        raise SettingError(problem)
    try:
        return QueuedClip(str(file), Stamp.of(file), row["media_id"])
    except OSError as error:
        raise SettingError(f"{file} cannot be read: {error.strerror}") from None


def start(app_state: AppState, clips: list[QueuedClip], work: Work) -> list[int]:
    """Queue clips; where the queue cannot be written, `say_not_started` shows why."""
    try:
        return app_state.analyses.start(clips, work) if clips else []
    except LabError as error:
        st.session_state.setdefault("not_started", []).append(str(error))
        return []


def start_paths(app_state: AppState, clips: list[QueuedClip], work: Work) -> None:
    """Queue clips by their paths; they come into the library as they are analysed."""
    st.session_state.not_started = []
    start(app_state, clips, work)


def say_not_started() -> None:
    """The clips that could not be queued by the last start, each with the reason."""
    refused = st.session_state.get("not_started", [])
    for why in refused[:_REASONS]:
        st.error(plain(f"Not started: {why}"))
    if len(refused) > _REASONS:
        st.error(f"{counted(len(refused) - _REASONS, 'other clip')} not started.")


def resume_run(app_state: AppState, run_id: str, media: dict[str, Any]) -> bool:
    """Queue a run to be gone on with; False after the page has shown why it cannot be."""
    try:
        app_state.analyses.resume(run_id, clip_of(app_state, media))
    except LabError as error:
        st.error(plain(error))
        return False
    return True
