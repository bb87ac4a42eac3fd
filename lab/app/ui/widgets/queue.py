"""The queue of analyses as a table, and the runs that can be gone on with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import asset, here, script, shortened
from lab.app.ui.widgets.left_clips import offer_left_clips
from lab.app.ui.widgets.pager import pager
from lab.app.ui.widgets.queue_rows import Row, in_words, left_s, names_of, prompts_row, row_of
from lab.app.ui.widgets.start_analyses import resume_run
from lab.counted import counted
from lab.errors import LabError, NotFoundError
from lab.formats.markdown import code, plain
from lab.jobs.job import Job
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import STATES, State

_JOBS, _RUNS = 25, 10  # at once
_BUSY_S, _IDLE_S = 1.0, 5.0
_UNFINISHED = ("cancelled", "failed", "interrupted")
_SHOWN: dict[str, tuple[State, ...]] = {
    "All": STATES,
    "Not done yet": ("running", "waiting"),
    "Failed": ("failed",),
    "Cancelled": ("cancelled",),
    "Done": ("done",),
}
_KEY = "queue_table"
_ENDED: tuple[State, ...] = ("done", "failed", "cancelled")
Change = Callable[[JobQueue, list[int]], object]
# What can be done with rows, and the states in which it can.
_CHANGES: dict[str, tuple[Change, tuple[State, ...]]] = {
    "cancel": (JobQueue.cancel, ("waiting", "running")),
    "retry": (JobQueue.retry, ("failed", "cancelled")),
    "first": (JobQueue.put_first, ("waiting",)),
    "last": (JobQueue.put_last, ("waiting",)),
    "clear": (JobQueue.forget_ended, _ENDED),
}

_table = st.components.v2.component(
    "lab_queue",
    html=asset("queue/queue.html"),
    css=asset("queue/queue.css"),
    js=script("queue/queue.js"),
)


def show_queue() -> None:
    """All analyses with their progress, refreshed while any is active; then unfinished runs."""
    st.markdown("#### Queue")
    app_state = here()
    try:
        queue = app_state.analyses.queue
        is_busy = _is_busy(app_state, queue)
    except LabError as error:
        st.error(plain(error))
        return
    every_s = _BUSY_S if is_busy else _IDLE_S if queue is not None else None
    st.fragment(_queue, run_every=every_s)(app_state, is_busy)


def _is_busy(app_state: AppState, queue: JobQueue | None) -> bool:
    counts = queue.counts() if queue is not None else {}
    return bool(
        counts.get("waiting") or counts.get("running") or any(j.is_active for j in _prompts())
    )


def _prompts() -> list[Job]:
    """Prompts that are added to runs: what waits or runs, and what failed."""
    found = [job for job in here().engine.jobs() if job.kind == "prompts"]
    return [job for job in found if job.is_active or job.error]


def _queue(app_state: AppState, was_busy: bool) -> None:
    try:
        queue = app_state.analyses.queue
        if _is_busy(app_state, queue) != was_busy:
            st.rerun()  # the rest of the page shows the finished runs
        _jobs(app_state, queue)
    except LabError as error:
        st.error(plain(error))
    _unfinished_runs(app_state)


def _jobs(app_state: AppState, queue: JobQueue | None) -> None:
    for note in app_state.analyses.notes:
        st.warning(plain(note[:1].upper() + note[1:]))
    if app_state.analyses.problem is not None:
        st.error(plain(app_state.analyses.problem))
    prompts = [prompts_row(job) for job in _prompts()]
    counts = queue.counts() if queue is not None else {}
    if queue is None or not (sum(counts.values()) or prompts):
        st.caption("Nothing waits. What you start is listed here, and goes on when you leave.")
        return
    _summary(app_state, queue)
    _steer(app_state, queue)
    left = queue.left_behind()
    offer_left_clips(sum(left.values()))
    shown = _SHOWN[_choice(queue)]
    total = sum(counts[state] for state in shown)
    first = pager("queue", total, _JOBS, of=shown)
    rows = _rows(app_state, queue, shown, first, left)
    if shown is STATES and first == 0:
        rows = [*prompts, *rows]
    if rows:
        data = {"rows": rows, "counts": counts}
        asked = _table(key=_KEY, data=data, on_action_change=_act).action or {}
        if asked.get("verb") == "review":
            runs = {row["id"]: row["review"] for row in rows}
            if run_id := runs.get(next(iter(asked.get("ids", [])), None)):
                st.switch_page("pages/review.py", query_params={"run": run_id})
    else:
        st.caption("None is in this state.")


def _rows(
    app_state: AppState,
    queue: JobQueue,
    shown: Sequence[State],
    first: int,
    left: Collection[str],
) -> list[Row]:
    """left: works of terminals that nobody does any more."""
    jobs = queue.page(shown, _JOBS, first)
    works = queue.work(list({job.work_id for job in jobs}))
    ids = sorted({job.clip_id for job in jobs if job.clip_id})
    called = app_state.store.names_of_media(ids) if ids else {}
    names, live = names_of(jobs, called), app_state.analyses.live()
    return [
        row_of(
            job,
            works[job.work_id],
            names[job.job_id],
            live.get(job.job_id),
            is_left=job.work_id in left,
        )
        for job in jobs
        if job.work_id in works
    ]


def _summary(app_state: AppState, queue: JobQueue) -> None:
    """How many are done, what failed, and about how long the rest takes."""
    counts = queue.counts()
    total, unfinished = sum(counts.values()), counts["waiting"] + counts["running"]
    words = f"**{total - unfinished:,} of {total:,}**"
    if counts["failed"]:
        words += f" · {counts['failed']:,} failed"
    if queue.is_paused:
        words += " · paused: what runs goes on to its end, nothing new begins"
    elif unfinished:
        running = [job.left_s for job in app_state.analyses.live().values()]
        far = app_state.workers.rows()
        workers = app_state.analyses.workers + len(far)
        seconds = left_s(running, counts["waiting"], queue.usual_seconds(), workers)
        words += "" if seconds is None else f" · {plain(in_words(seconds))}"
        if far:
            words += f" · {counted(len(far), 'worker')} on other machines"
    st.markdown(words)


def _steer(app_state: AppState, queue: JobQueue) -> None:
    """What can be done with all of them."""
    counts = queue.counts()
    unfinished = counts["waiting"] + counts["running"]
    with st.container(horizontal=True, gap="small"):
        if queue.is_paused:
            st.button("Go on", icon=":material/play_arrow:", on_click=_go_on)
        elif unfinished:
            st.button("Pause", icon=":material/pause:", on_click=_do, args=(JobQueue.pause,))
        if unfinished:
            st.button("Cancel all", on_click=_do, args=(JobQueue.cancel,))
        if counts["failed"]:
            st.button("Retry the failed", on_click=_do, args=(JobQueue.retry,))
        if unfinished < sum(counts.values()):
            st.button(
                "Clear ended",
                on_click=_do,
                args=(JobQueue.forget_ended,),
                help="From this list only; runs stay in the store.",
            )


def _choice(queue: JobQueue) -> str:
    counts = queue.counts()
    if sum(counts.values()) <= _JOBS and "queue_shown" not in st.session_state:
        return "All"
    chosen = st.segmented_control(
        "Show",
        list(_SHOWN),
        default="All",
        key="queue_shown",
        required=True,
        label_visibility="collapsed",
        format_func=lambda name: f"{name} {sum(counts[state] for state in _SHOWN[name]):,}",
    )
    return str(chosen or "All")


def _do(change: Callable[..., object], *values: object) -> None:
    """Change the queue, and have the app look at it at once."""
    analyses = here().analyses
    try:
        if (queue := analyses.queue) is not None:
            change(queue, *values)
            analyses.go_on()
            analyses.beat()
    except LabError as error:
        st.toast(plain(error))


def _go_on() -> None:
    _do(JobQueue.go_on)


def _act() -> None:
    """What a button asks for: of one row, of those that are picked, or of all in one state."""
    asked = st.session_state[_KEY].get("action") or {}
    named = [str(one) for one in asked.get("ids", [])]
    if asked.get("verb") not in _CHANGES:
        return
    change, states = _CHANGES[asked["verb"]]
    for one in named:
        if change is JobQueue.cancel and one.startswith("prompts "):
            here().engine.cancel(one.removeprefix("prompts "))
    if asked.get("state") in states:
        _change_some(change, (asked["state"],), None)
    elif among := [int(one) for one in named if one.isdigit()]:
        _change_some(change, states, among)


def _change_some(change: Change, states: Sequence[State], among: list[int] | None) -> None:
    """Of jobs that are picked, change those for which it makes sense as they are now."""

    def do(queue: JobQueue) -> None:
        if ids := queue.ids(states, among):
            change(queue, ids)

    _do(do)


def _unfinished_runs(app_state: AppState) -> None:
    """Runs that were cancelled, failed or lost their worker, each with a Resume button."""
    store = app_state.store
    try:
        total = store.count_runs(state=_UNFINISHED, of_feed=False)
        first = pager("unfinished", total, _RUNS)
        runs = []
        if total:
            runs = store.runs(state=_UNFINISHED, of_feed=False, limit=_RUNS, offset=first)
        ids = sorted({run["media_id"] for run in runs})
        media = {row["media_id"]: row for row in store.media_rows(media_id=ids)} if ids else {}
        called = store.names_of_media(ids)
    except LabError as error:
        st.error(plain(error))
        return
    if total:
        st.markdown(f"**{counted(total, 'unfinished run')}**")
    busy = {job.run_id for job in app_state.analyses.live().values()}
    for run in runs:
        clip, name = media.get(run["media_id"]), called.get(run["media_id"], "?")
        why = f": {plain(run['error'])}" if run["error"] else ""
        row = st.container(horizontal=True, vertical_alignment="center", gap="small")
        row.markdown(
            f"{plain(shortened(name))} is {plain(run['state'])}{why}  \n{code(run['run_id'])}",
            width="stretch",
        )
        is_off = clip is None or run["run_id"] in busy
        if row.button("Resume", key=f"resume_{run['run_id']}", disabled=is_off):
            with suppress(NotFoundError):
                if clip is not None and resume_run(app_state, run["run_id"], clip):
                    st.rerun()
