"""The first screen: what this is and how to begin, or where one was and how far all of it is."""

from __future__ import annotations

import html
import time
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.pages.library import redirect
from lab.app.ui.shared import asset, clock, here
from lab.app.ui.widgets.add_clips import drop_zone, say_what_was_refused
from lab.app.ui.widgets.annotation_files import detections_from_elsewhere
from lab.app.ui.widgets.clip_card import picture_of
from lab.app.ui.widgets.folder_browser import folder_button
from lab.app.ui.widgets.rule_state import rule_to_query
from lab.config import SAMPLES
from lab.formats.markdown import plain
from lab.jobs.job import Job
from lab.rules.rule import Rule

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
_NEWS_S = 10.0
_SITES, _FAILURES, _PLACES = 8, 3, 3
_UNFINISHED = ("cancelled", "failed", "interrupted")
_FRAME = "width:100%;aspect-ratio:16/9;border-radius:6px;background:#8883;font-size:.8rem"
_STYLE = "<style>.stHeading h2{font-size:1.15rem!important;padding:.4rem 0!important}</style>"
_WORK = ("analyze", "resume", "prompts")

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
    if job is not None and job.error and not job.is_active:
        st.error(plain(job.error))
    is_busy = job is not None and job.is_active
    if st.button(
        "Try the sample",
        icon=":material/play_circle:",
        type=kind,
        width="stretch",
        disabled=is_busy,
        key="try_the_sample",
    ):
        job = app_state.engine.submit(
            "analyze",
            f"{_SAMPLE} · the sample",
            path=str(SAMPLES / _SAMPLE),
            analyses=[_SAMPLE_ANALYSIS],
            store=str(app_state.store.folder),
        )
        st.session_state.sample_job = job.job_id
        st.rerun()
    if job is not None and job.is_active:
        st.fragment(_progress, run_every=0.3)(job)


def _sample_job(app_state: AppState) -> Job | None:
    job_id = st.session_state.get("sample_job")
    return next((job for job in app_state.engine.jobs() if job.job_id == job_id), None)


def _progress(job: Job) -> None:
    if not job.is_active:
        st.rerun()  # the whole page, which then opens the run
    share = min(1.0, job.done / job.total) if job.total else 0.0
    count = f"{job.done:d} of {job.total:d} samples" if job.total else "starting the detector"
    st.progress(share, f"Analysing: {count}")


def _follow_sample(app_state: AppState) -> None:
    """Open the run of the sample when it is done."""
    job = _sample_job(app_state)
    if job is None or job.state != "done" or not job.result:
        return
    del st.session_state.sample_job
    if time.monotonic() - (job.ended or 0) > _NEWS_S:
        return  # it ended while the user was elsewhere
    run_id = job.result["runs"][0]["run_id"]
    st.switch_page("pages/tune.py", query_params={"run": run_id})


def _filled(app_state: AppState, totals: dict[str, Any]) -> None:
    st.title("Sighting Lab")
    _totals(totals)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _places(app_state)
        _queue(app_state)
    with right:
        _sites(app_state)
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


def _totals(totals: dict[str, Any]) -> None:
    share = totals["watched_s"] / totals["video_s"] if totals["video_s"] else 0.0
    clips, hours, sightings, watched = st.columns(4)
    clips.metric("Clips", f"{totals['clips']:,d}")
    hours.metric(
        "Analysed", _hours(totals["analysed_s"]), help="Each clip counts once, however many runs."
    )
    sightings.metric(
        "Sightings", f"{totals['sightings']:,d}", help="Of each clip those that were saved last."
    )
    watched.metric(
        "Watched",
        f"{100 * share:.3g} %",
        help="How much of the footage somebody watched, for any label.",
    )


def _hours(seconds: float) -> str:
    return plain(clock(seconds)) if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def _places(app_state: AppState) -> None:
    """Runs that were looked at last, by whomever; else the newest."""
    places = {one.run_id: one for one in app_state.store.places()}
    rows = {row["run_id"]: row for row in app_state.store.runs(run_id=list(places))}
    shown = [rows[run_id] for run_id in places if run_id in rows][:_PLACES]
    is_new = not shown
    if is_new:
        shown = app_state.store.runs(state="done", limit=1)
    if not shown:
        st.header("Next")
        st.markdown("Nothing has been analysed yet. Choose clips in the library.")
        st.page_link("pages/library.py", label="Open the library", icon=":material/video_library:")
        return
    st.header("The newest run" if is_new else "Continue")
    ids = [row["media_id"] for row in shown]
    media = {row["media_id"]: row for row in app_state.store.clips(media_id=ids)}
    for i, run in enumerate(shown):
        if run["media_id"] not in media:
            continue
        place = places.get(run["run_id"])
        rule = None if place is None else Rule.from_dict(place.rule)
        _place(app_state, media[run["media_id"]], run, rule, is_large=i == 0)


def _place(
    app_state: AppState,
    media: dict[str, Any],
    run: dict[str, Any],
    rule: Rule | None,
    *,
    is_large: bool,
) -> None:
    with st.container(border=is_large):
        picture, words = st.columns([2, 3] if is_large else [1, 5], vertical_alignment="center")
        address, problem = picture_of(app_state, media)
        picture.html(
            f'<img src="{html.escape(address)}" alt="" style="{_FRAME};object-fit:cover">'
            if address
            else f'<div style="{_FRAME};display:grid;place-items:center">no picture</div>'
        )
        labels = run["labels"]
        few = ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if labels[3:] else "")
        query = {"run": run["run_id"]} | ({"rule": rule_to_query(rule)} if rule else {})
        with words:
            site = f" · {plain(media['site'])}" if media["site"] else ""
            st.markdown(f"**{plain(media['shown'])}**{site}")
            if problem:
                st.caption(plain(problem[:1].upper() + problem[1:]))
            st.caption(
                f"{plain(run['detector'])} · {plain(few or 'any label')} · "
                f"rule: {plain(_rule_name(app_state, rule))}"
            )
            st.page_link(
                "pages/tune.py",
                label="**Continue**" if rule else "**Open**",
                icon=":material/tune:",
                query_params=query,
            )


def _rule_name(app_state: AppState, rule: Rule | None) -> str:
    """The name under which a rule was saved, or what it asks for."""
    if rule is None:
        return "default"
    for saved in app_state.store.rules():
        if saved["rule_hash"] == rule.rule_hash:
            return str(saved["name"])
    threshold = rule.default.debounce.enter_threshold
    return f"not saved, enter threshold {threshold:g}"


def _sites(app_state: AppState) -> None:
    """Clips by site, with how far each is; every row opens these clips in Library."""
    st.header("Clips by site")
    found = app_state.store.site_overview(limit=_SITES + 1)
    for row in found[:_SITES]:
        name, states = st.columns([2, 3], vertical_alignment="center")
        name.page_link(
            "pages/library.py",
            label=plain(row["site"] or "no site"),
            icon=":material/place:",
            query_params={"site": row["site"]},
        )
        states.html(_state_bar(row))
    more = "All sites and clips" if len(found) > _SITES else "All clips"
    st.page_link("pages/library.py", label=more, icon=":material/video_library:")


def _state_bar(row: dict[str, Any]) -> str:
    """Reviewed, analysed and new as parts of a bar, and in words."""
    words = " · ".join(
        f"{row[state]:,} {state}" for state in ("reviewed", "analysed", "new") if row[state]
    )
    parts = "".join(
        f'<span style="flex:{row[state]};background:currentColor;opacity:{opacity}"></span>'
        for state, opacity in (("reviewed", 0.9), ("analysed", 0.45), ("new", 0.12))
    )
    return (
        f'<div style="font-size:.8rem">{html.escape(words)}</div>'
        f'<div aria-hidden="true" style="display:flex;height:6px;border-radius:3px;'
        f'overflow:hidden">{parts}</div>'
    )


def _queue(app_state: AppState) -> None:
    """What runs and waits, and what failed."""
    jobs = [job for job in app_state.engine.jobs() if job.kind in _WORK]
    running = sum(job.state == "running" for job in jobs)
    waiting = sum(job.state == "queued" for job in jobs)
    failed = [job for job in jobs if job.state == "failed" and job.run_id is None]
    unfinished = app_state.store.count_runs(state=_UNFINISHED)
    if not (running or waiting or failed or unfinished):
        return
    st.header("Queue")
    if running or waiting:
        st.markdown(f"{running:d} running, {waiting:d} waiting.")
    for job in failed[:_FAILURES]:
        st.error(f"{plain(job.title)}: {plain(job.error or 'failed')}")
    if len(failed) > _FAILURES:
        st.caption(f"{len(failed) - _FAILURES} more failed.")
    if unfinished:
        runs = "run is" if unfinished == 1 else "runs are"
        st.warning(f"{unfinished:,d} {runs} not finished: cancelled, failed or interrupted.")
        newest = app_state.store.runs(state=_UNFINISHED, limit=_FAILURES)
        names = app_state.store.names_of_media([run["media_id"] for run in newest])
        for run in newest:
            why = f": {plain(run['error'])}" if run["error"] else ""
            name = names.get(run["media_id"], run["run_id"])
            st.caption(f"{plain(name)} is {plain(run['state'])}{why}")
    st.page_link("pages/run.py", label="Open the queue", icon=":material/play_circle:")
