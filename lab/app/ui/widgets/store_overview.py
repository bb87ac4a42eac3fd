"""How far the clips of a store are, and where somebody was last: the parts of the first screen."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import clock, shortened
from lab.app.ui.widgets.clip_card import picture_of
from lab.app.ui.widgets.rule_state import rule_to_query
from lab.counted import counted
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.jobs.queue.queued_job import STATES
from lab.rules.rule import Rule, rule_parameters

_SITES, _FAILURES, _PLACES = 8, 3, 3
_UNFINISHED = ("cancelled", "failed", "interrupted")
_ENTER = rule_parameters()["enter_threshold"].title.lower()
_FRAME = "width:100%;aspect-ratio:16/9;border-radius:6px;background:#8883;font-size:.8rem"


def totals_row(totals: dict[str, Any]) -> None:
    """Clips, hours, sightings and what was watched, of `Store.library_totals`."""
    share = totals["watched_s"] / totals["video_s"] if totals["video_s"] else 0.0
    clips, hours, sightings, watched = st.columns(4)
    clips.metric("Clips", f"{totals['clips']:,d}")
    hours.metric(
        "Analysed", _hours(totals["analysed_s"]), help="Each clip counts once, however many runs."
    )
    sightings.metric(
        "Sightings",
        f"{totals['sightings']:,d}",
        help="Those of the rules that were applied to all clips, as the page Sightings shows them; "
        "where none was applied, all that were saved.",
    )
    watched.metric(
        "Watched",
        f"{100 * share:.3g} %",
        help="How much of the footage somebody watched, for any label.",
    )


def _hours(seconds: float) -> str:
    return plain(clock(seconds)) if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def places(app_state: AppState) -> None:
    """Runs that were looked at last, by whomever; else the newest."""
    last = {one.run_id: one for one in app_state.store.places()}
    rows = {row["run_id"]: row for row in app_state.store.runs(run_id=list(last))}
    shown = [rows[run_id] for run_id in last if run_id in rows][:_PLACES]
    is_new = not shown
    if is_new:
        shown = app_state.store.runs(state="done", limit=1)
        # Those of feeds are watched until they are stopped.
        shown = shown or app_state.store.runs(state=["running", "cancelled"], limit=1)
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
        place = last.get(run["run_id"])
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
            st.markdown(f"**{plain(shortened(media['shown']))}**{site}")
            if problem:
                st.caption(plain(problem[:1].upper() + problem[1:]))
            st.caption(
                f"{plain(run['detector'])} · {plain(few or 'any label')} · "
                f"rule: {plain(_rule_name(app_state, rule))}"
            )
            st.page_link(
                "pages/review.py",
                label="**Continue**" if rule else "**Open**",
                icon=":material/movie:",
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
    return f"not saved, {_ENTER} {threshold:g}"


def sites(app_state: AppState) -> None:
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


def queue(app_state: AppState) -> None:
    """What runs and waits, and what failed."""
    try:
        found = app_state.analyses.queue
        counts = found.counts() if found else dict.fromkeys(STATES, 0)
        failed = found.page(["failed"], _FAILURES) if found else []
    except LabError as error:
        st.error(plain(error))
        return
    running, waiting = counts["running"], counts["waiting"]
    unfinished = app_state.store.count_runs(state=_UNFINISHED, of_feed=False)
    if not (running or waiting or failed or unfinished):
        return
    st.header("Queue")
    if running or waiting:
        st.markdown(f"{running:d} running, {waiting:d} waiting.")
    for job in failed:
        st.error(f"{plain(Path(job.path).name)}: {plain(job.reason or 'failed')}")
    if counts["failed"] > _FAILURES:
        st.caption(f"{counts['failed'] - _FAILURES:,} more failed.")
    if unfinished:
        runs = counted(unfinished, "run is", "runs are")
        st.warning(f"{runs} not finished: cancelled, failed or interrupted.")
        newest = app_state.store.runs(state=_UNFINISHED, of_feed=False, limit=_FAILURES)
        names = app_state.store.names_of_media([run["media_id"] for run in newest])
        for run in newest:
            why = f": {plain(run['error'])}" if run["error"] else ""
            name = names.get(run["media_id"], str(run["run_id"]))
            st.caption(f"{plain(shortened(name))} is {plain(run['state'])}{why}")
    st.page_link("pages/analyse.py", label="Open the queue", icon=":material/play_circle:")
