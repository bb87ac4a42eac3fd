"""The first screen: what this is and how to begin, or where one was and how far all of it is."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.pages.library import redirect
from lab.app.ui.shared import asset, here
from lab.app.ui.widgets.add_clips import drop_zone, say_what_was_refused
from lab.app.ui.widgets.annotation_files import detections_from_elsewhere
from lab.app.ui.widgets.folder_browser import folder_button
from lab.app.ui.widgets.store_overview import places, queue, sites, totals_row
from lab.config import SAMPLES
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.jobs.batch.service import QueuedClip
from lab.jobs.batch.work import Work
from lab.jobs.queue.queued_job import QueuedJob, Stamp

_SENTENCE = (
    "Find when something was in your videos. Analyse once, tune while you watch, measure how good "
    "it is."
)
_SAMPLE = "cat_comes_and_goes.mp4"
_SAMPLE_ANALYSIS = {
    "name": "yolo",
    "detector": {"name": "yolo", "labels": ["cat", "person"]},
    "interval_s": 0.2,
}
_SAMPLE_WORK = Work([_SAMPLE_ANALYSIS])
_AT_IT = ("waiting", "running")
_NEWS_S = 10.0
_STYLE = "<style>.stHeading h2{font-size:1.15rem!important;padding:.4rem 0!important}</style>"

_words = st.components.v2.component(
    "lab_words", html=asset("home/words.html"), css=asset("home/words.css")
)


def home() -> None:
    """The whole page."""
    app_state = here()
    if st.query_params.get("media") or st.query_params.get_all("for"):
        redirect()  # this was the address of the page on which clips were chosen
    if st.session_state.pop("go_to_library", False):
        st.switch_page("pages/library.py")
    st.html(_STYLE)
    _follow_sample(app_state)
    totals = app_state.store.library_totals()
    if totals["clips"]:
        _filled(app_state, totals)
    else:
        _empty(app_state)


def _empty(app_state: AppState) -> None:
    st.title("Sighting Lab")
    st.markdown(f"#### {_SENTENCE}")
    _words(key="words")
    sample, videos, folder = st.columns(3, gap="medium")
    with sample.container(border=True, height="stretch"):
        st.header("See it work")
        st.caption("A short clip with a cat that comes and goes; the model is here already.")
        _try_the_sample(app_state, "primary")
    with videos.container(border=True, height="stretch"):
        st.header("Drop videos")
        if drop_zone():
            st.switch_page("pages/library.py")
    with folder.container(border=True, height="stretch"):
        st.header("Choose a folder")
        st.caption("Videos on the machine where this app runs. They stay where they are.")
        folder_button("primary")
    say_what_was_refused()
    detections_from_elsewhere(app_state)


def _try_the_sample(app_state: AppState, kind: Any) -> None:
    job = _sample_job(app_state)
    if job is not None and job.state in ("failed", "cancelled"):
        st.error(plain(job.reason or job.state))
    is_busy = job is not None and job.state in _AT_IT
    if st.button(
        "Try the sample",
        icon=":material/play_circle:",
        type=kind,
        width="stretch",
        disabled=is_busy,
        key="try_the_sample",
    ):
        path = SAMPLES / _SAMPLE
        try:
            clip = QueuedClip(str(path), Stamp.of(path))
            (st.session_state.sample_job,) = app_state.analyses.start([clip], _SAMPLE_WORK)
        except LabError as error:
            st.error(plain(error))
        else:
            st.rerun()
    if is_busy:
        st.fragment(_progress, run_every=0.3)(app_state)


def _sample_job(app_state: AppState) -> QueuedJob | None:
    job_id = st.session_state.get("sample_job")
    if job_id is None:
        return None
    try:
        queue = app_state.analyses.queue
        return next(iter(queue.jobs("job_id = ?", job_id)), None) if queue is not None else None
    except LabError:  # the page Analyse says what is wrong
        return None


def _progress(app_state: AppState) -> None:
    job = _sample_job(app_state)
    if job is None or job.state not in _AT_IT:
        st.rerun()  # the whole page, which then opens the run
    at = app_state.analyses.live().get(job.job_id)
    share, count = 0.0, "starting the detector"
    if at is not None and at.total:
        share, count = min(1.0, at.done / at.total), f"{at.done:d} of {at.total:d} samples"
    st.progress(share, f"Analysing: {count}")


def _follow_sample(app_state: AppState) -> None:
    """Open the run of the sample when it is done."""
    job = _sample_job(app_state)
    if job is None or job.state != "done" or not job.run_ids:
        return
    del st.session_state.sample_job
    if time.time() - job.changed > _NEWS_S:
        return  # it ended while the user was elsewhere
    st.switch_page("pages/review.py", query_params={"run": job.run_ids[0]})


def _filled(app_state: AppState, totals: dict[str, Any]) -> None:
    st.title("Sighting Lab")
    totals_row(totals)
    left, right = st.columns([3, 2], gap="large")
    with left:
        places(app_state)
        queue(app_state)
    with right:
        sites(app_state)
    st.header("Add clips")
    zone, folder, sample = st.columns([3, 1, 1])
    with zone:
        if drop_zone(is_compact=True):
            st.switch_page("pages/library.py")
    with folder:
        folder_button("secondary")
    with sample:
        _try_the_sample(app_state, "secondary")
    say_what_was_refused()
    detections_from_elsewhere(app_state)
