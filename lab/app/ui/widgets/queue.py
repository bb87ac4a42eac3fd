"""The analyses that wait, run and have ended, and the runs that can be gone on with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import clock, here, shortened
from lab.app.ui.widgets.pager import pager
from lab.counted import counted
from lab.errors import LabError, SettingError
from lab.formats.markdown import code, plain
from lab.jobs.job import Job
from lab.video.identity import identity_problem

_JOBS, _RUNS, _REASONS = 15, 10, 5  # at once
_UNFINISHED = ("cancelled", "failed", "interrupted")
_KINDS = ("analyze", "resume", "prompts")
_STATES = ("running", "failed", "cancelled", "done")


def submit(
    app_state: AppState, media: Sequence[dict[str, Any]], analyses: list[Any], *, reuse: bool
) -> None:
    """Queue the analyses of each clip; `say_not_started` shows which clips cannot be analysed.

    reuse: give the run of the same recipe where there is one.
    """
    called = app_state.store.names_of_media(row["media_id"] for row in media)
    names = " · " + ", ".join(map(_in_brief, analyses))
    refused = st.session_state.not_started = []
    for row in media:
        try:
            file = app_state.clip_file(row)
            if problem := identity_problem(row, reads=False):
                raise SettingError(problem)
        except LabError as error:
            refused.append(str(error))
            continue
        app_state.engine.submit(
            "analyze",
            shortened(called.get(row["media_id"], row["name"])) + names,
            path=str(file),
            media_id=row["media_id"],
            analyses=analyses,
            reuse=reuse,
            store=str(app_state.store.folder),
        )


def say_not_started() -> None:
    """The clips that could not be queued by the last start, each with the reason."""
    refused = st.session_state.get("not_started", [])
    for why in refused[:_REASONS]:
        st.error(plain(f"Not started: {why}"))
    if len(refused) > _REASONS:
        st.error(f"{counted(len(refused) - _REASONS, 'other clip')} not started.")


def _in_brief(one: dict[str, Any]) -> str:
    labels = one["detector"].get("labels")
    few = f" ({short(labels)})" if isinstance(labels, list) and labels else ""
    return f"{one['name']}{few}"


def short(value: Any) -> str:
    """A setting's value in at most 60 characters."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def show_queue() -> None:
    """All analyses with their progress, refreshed while any is active; then unfinished runs."""
    active = any(job.is_active for job in _analyses())
    st.fragment(_queue, run_every=0.5 if active else None)(active)


def _analyses() -> list[Job]:
    """Of this session's list: what runs, what is next, then what has ended, the newest first."""
    cleared = st.session_state.get("cleared_jobs", ())
    jobs = [j for j in here().engine.jobs() if j.kind in _KINDS and j.job_id not in cleared]
    waiting = [job for job in jobs if job.state == "queued"][::-1]
    others = {state: [job for job in jobs if job.state == state] for state in _STATES}
    return [*others["running"], *waiting, *others["failed"], *others["cancelled"], *others["done"]]


def _queue(was_active: bool) -> None:
    jobs = _analyses()
    if was_active and not any(job.is_active for job in jobs):
        st.rerun()  # the rest of the page shows the finished runs
    _summary(jobs)
    first = pager("jobs", len(jobs), _JOBS)
    for job in jobs[first : first + _JOBS]:
        _row(job)
    _unfinished_runs([str(job.payload.get("run_id")) for job in jobs if job.is_active])


def _summary(jobs: list[Job]) -> None:
    st.markdown("#### Queue")
    if not jobs:
        st.caption("Nothing waits. What you start is listed here, and goes on when you leave.")
        return
    ended = [job for job in jobs if not job.is_active]
    failed = sum(job.state == "failed" for job in jobs)
    words = f"**{len(ended):,} of {len(jobs):,}**"
    if len(ended) < len(jobs):
        left_s = seconds_left(jobs)
        words += "" if left_s is None else f", {clock(left_s)} left"
    words += f" · {failed:,} failed" if failed else ""
    st.markdown(words)
    stop, clear = st.columns(2)
    if len(ended) < len(jobs) and stop.button("Cancel all", width="stretch"):
        for job in jobs[::-1]:  # those that wait first, so that none begins meanwhile
            if job.is_active:
                here().engine.cancel(job.job_id)
        st.rerun()
    if ended and clear.button(
        "Clear ended", width="stretch", help="From this list only; runs stay in the store."
    ):
        ids = {job.job_id for job in ended}
        st.session_state.setdefault("cleared_jobs", set()).update(ids)
        st.rerun()


def seconds_left(jobs: Sequence[Job]) -> float | None:
    """What remains of the one that runs, and for each that waits the mean of those that are done.

    None while nothing is known of either.
    """
    running = [job.left_s for job in jobs if job.state == "running"]
    took = [j.ended - j.started for j in jobs if j.state == "done" and j.ended and j.started]
    begun = [j for j in jobs if j.state == "running" and j.left_s is not None and j.started]
    took = took or [j.left_s + time.monotonic() - j.started for j in begun]  # type: ignore[operator]
    waiting = sum(job.state == "queued" for job in jobs)
    if None in running or (waiting and not took):
        return None
    return sum(filter(None, running)) + (waiting * sum(took) / len(took) if waiting else 0.0)


def _row(job: Job) -> None:
    with st.container(border=True):
        st.markdown(f"**{plain(job.title)}**")
        how = "the same run was there" if (job.result or {}).get("was_there") else job.state
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(plain(how), width="stretch")
            _actions(job)
        if job.started is not None and job.state in ("running", "cancelled"):
            share = min(1.0, job.done / job.total) if job.total else 0.0
            text = f"{job.done} of {job.total or '?'} samples · {job.rate_hz:.1f} a second"
            if job.state == "running" and job.left_s is not None:
                text += f" · {clock(job.left_s)} left"
            st.progress(share, text)
        if job.error:
            (st.error if job.state == "failed" else st.caption)(plain(job.error))


def _actions(job: Job) -> None:
    if job.is_active and st.button("Cancel", key=f"cancel_{job.job_id}"):
        here().engine.cancel(job.job_id)
    if job.state in ("failed", "cancelled"):
        kind, payload, verb = again(job)
        if st.button(plain(verb), key=f"again_{job.job_id}"):
            here().engine.submit(kind, job.title, **payload)
            st.session_state.setdefault("cleared_jobs", set()).add(job.job_id)
            st.rerun()
    if job.run_id:
        st.page_link(
            "pages/review.py",
            label="Review",
            icon=":material/movie:",
            query_params={"run": job.run_id},
        )


def again(job: Job) -> tuple[str, dict[str, Any], str]:
    """Kind and payload of the job that goes on with one that ended, and the word for it.

    An analysis of which something was logged is resumed; any other is tried again.
    """
    single = len(job.payload.get("analyses", ())) == 1
    if job.kind == "analyze" and single and job.run_id and job.done:
        return "resume", {"run_id": job.run_id, "store": job.payload["store"]}, "Resume"
    return job.kind, dict(job.payload), "Retry"


def _unfinished_runs(busy: Sequence[str]) -> None:
    """Runs that were cancelled, failed or lost their worker, each with a Resume button."""
    app_state = here()
    store = app_state.store
    try:
        total = store.count_runs(state=_UNFINISHED)
        first = pager("unfinished", total, _RUNS)
        runs = store.runs(state=_UNFINISHED, limit=_RUNS, offset=first) if total else []
        ids = sorted({run["media_id"] for run in runs})
        media = {row["media_id"]: row for row in store.media_rows(media_id=ids)} if ids else {}
        called = store.names_of_media(ids)
    except LabError as error:
        st.error(plain(error))
        return
    if total:
        st.markdown(f"**Unfinished runs: {total:,}**")
    for run in runs:
        clip, name = media.get(run["media_id"], {"path": ""}), called.get(run["media_id"], "?")
        why = f": {plain(run['error'])}" if run["error"] else ""
        row = st.container(horizontal=True, vertical_alignment="center", gap="small")
        row.markdown(
            f"{plain(shortened(name))} is {plain(run['state'])}{why}  \n{code(run['run_id'])}",
            width="stretch",
        )
        if row.button("Resume", key=f"resume_{run['run_id']}", disabled=run["run_id"] in busy):
            try:
                app_state.clip_file(clip)
            except LabError as error:
                st.error(plain(error))
                continue
            app_state.engine.submit(
                "resume",
                f"{name} (resumed)",
                run_id=run["run_id"],
                store=str(app_state.store.folder),
            )
            st.rerun()
