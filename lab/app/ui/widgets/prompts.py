"""Prompts as chips: in Library, in Analyse, and in Review, where prompts are added to a run."""

from __future__ import annotations

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import clock
from lab.detectors.open_vocabulary.prompts import INDEPENDENT_UP_TO, check_prompts, choose_mode
from lab.errors import LabError, SettingError
from lab.formats.markdown import plain
from lab.jobs.job import Job
from lab.runs.add_prompts import discard_unfinished
from lab.runs.run import Run

KEY = "keep_prompts"
_MODES = {
    "independent": (
        "each prompt separately: its curve does not depend on the others, and more can be added "
        "later"
    ),
    "joint": (
        "one pass for all: faster for many prompts, which influence each other; other prompts need "
        "a new run"
    ),
}


def prompt_chips(label: str, key: str = KEY, known: list[str] | None = None) -> list[str]:
    """Words or phrases as chips, typed freely. The same key shows the same chips on every page.

    The prompts are kept under the key, which is not the widget's own: a value that the program
    sets there overwrites what is being typed.
    """
    before: list[str] = st.session_state.get(key, [])
    prompts: list[str] = st.multiselect(
        plain(label),
        list(dict.fromkeys([*before, *(known or [])])),
        default=before,
        key=f"{key}_chips",
        on_change=_keep,  # runs before the script, which the next letter may interrupt
        args=(key,),
        accept_new_options=True,
        placeholder="Type a word or phrase and press Enter",
        help="Describe what can be seen in a few words: “otter”, “person on a bicycle”.",
    )
    st.session_state[key] = prompts
    return prompts


def _keep(key: str) -> None:
    st.session_state[key] = list(st.session_state[f"{key}_chips"])


def mode_choice(count: int, key: str) -> str | None:
    """The chosen prompt mode, None for automatic; the page shows which one is used."""
    picked: str = st.segmented_control(
        "Mode", ["automatic", *_MODES], default="automatic", key=key, required=True,
        help=f"Automatic: independent up to {INDEPENDENT_UP_TO} prompts, joint beyond.",
    )  # fmt: skip
    mode = None if picked == "automatic" else picked
    try:
        used = choose_mode(mode, max(1, count))
    except SettingError as error:
        st.error(plain(error))
        return mode
    st.caption(f"Mode **{plain(used)}**: {_MODES[used]}.")
    return mode


def checked(prompts: list[str]) -> list[str] | None:
    """The prompts as they are used; None after the page has shown why they are not valid."""
    try:
        return list(check_prompts(prompts))
    except SettingError as error:
        st.info(plain(error)) if not prompts else st.error(plain(error))
        return None


def add_panel(app_state: AppState, run: Run) -> None:
    """Prompts to add to a run that accepts them, and the progress of adding."""
    if "prompt_mode" not in run.recipe:
        return
    jobs = [
        j
        for j in app_state.engine.jobs()
        if j.kind == "prompts" and j.payload["run_id"] == run.run_id
    ]
    with st.popover("+ prompt", icon=_icon(jobs), key="more_prompts"):
        if run.recipe["prompt_mode"] == "joint":
            _joint(run)
            return
        rejected = _rejected(run, jobs[0]) if jobs else None
        left, right = st.columns([5, 2], vertical_alignment="bottom")
        with left:
            has = [x for x in run.labels if x not in run.log.adding]
            listed = ", ".join(has[:8]) + (f" and {len(has) - 8} more" if len(has) > 8 else "")
            new = prompt_chips(
                f"Add prompts to this run (mode independent; it has {listed})",
                key=f"more_{run.run_id}_{st.session_state.get('more_n', 0)}",
            )
        from_s = app_state.playheads.get(run.run_id)
        if right.button("Look for them", disabled=not new or run.state != "done", width="stretch"):
            _start(app_state, run, new, from_s)
        for job in jobs[:1]:
            if job.is_active:
                st.fragment(_progress, run_every=0.5)(app_state, run, job)
            elif job.error and (rejected is None or new == rejected):
                st.error(plain(job.error))
        left_over = [] if any(j.is_active for j in jobs) else list(run.log.adding)
        if left_over:
            _unfinished(app_state, run, left_over, from_s)


def _icon(jobs: list[Job]) -> str | None:
    """Of the newest job, while there is something to know of it."""
    if not jobs or not (jobs[0].is_active or jobs[0].error):
        return None
    return ":material/hourglass_top:" if jobs[0].is_active else ":material/error:"


def _rejected(run: Run, job: Job) -> list[str] | None:
    """Prompts that were rejected before any sample was analysed; their chips reappear once."""
    prompts = list(job.payload["prompts"])
    if not job.error or set(prompts) & set(run.log.adding):
        return None
    state = st.session_state
    if state.get("refused") != job.job_id:
        state.refused, state.more_n = job.job_id, state.get("more_n", 0) + 1
        state[f"more_{run.run_id}_{state.more_n}"] = prompts
    return prompts


def _unfinished(app_state: AppState, run: Run, prompts: list[str], from_s: float | None) -> None:
    """Prompts whose pass was stopped: continue it, or discard them."""
    # Continue is where Stop was: a second click there must not discard anything.
    words, drop, go_on = st.columns([5, 1, 1], vertical_alignment="center")
    analysed = run.effort(prompts[0]).ok
    words.markdown(
        f"**{plain(', '.join(prompts))}**: run on {analysed:d} of {run.effort().ok:d} samples."
    )
    if go_on.button("Go on", width="stretch"):
        _start(app_state, run, prompts, from_s)
    with drop.popover("Forget", width="stretch"):
        st.write("Their detections so far are deleted.")
        if st.button("Forget them"):
            discard_unfinished(app_state.store, run.run_id)
            st.rerun()


def _joint(run: Run) -> None:
    st.caption(
        "This run is in mode **joint**: its prompts influence each other, so other prompts need "
        "a new run."
    )
    if st.button("Start another run with other prompts"):
        state = st.session_state
        state[KEY], state.chosen, state.keep_detector = (
            list(run.labels),
            [run.media["media_id"]],
            run.recipe["detector"],
        )
        state.like = {name: run.recipe.get(name) for name in ("every_s", "image_size", "weights")}
        st.switch_page("pages/analyse.py")


def _start(app_state: AppState, run: Run, prompts: list[str], from_s: float | None) -> None:
    try:
        valid = check_prompts(prompts)
        wanted = [p for p in valid if p not in run.labels or p in run.log.adding]
        if not wanted:
            raise SettingError(f"the run has {', '.join(map(repr, valid))} already")
        if len(wanted) < len(valid):
            st.toast(f"Already in the run: {plain(', '.join(p for p in valid if p not in wanted))}")
        app_state.clip_file(run.media)
    except LabError as error:
        st.error(plain(error))
        return
    app_state.engine.submit(
        "prompts", f"{run.media['name']}: {', '.join(wanted)}", run_id=run.run_id, prompts=wanted,
        from_s=from_s, store=str(app_state.store.folder),
    )  # fmt: skip
    st.session_state.more_n = st.session_state.get("more_n", 0) + 1
    st.rerun()


def _progress(app_state: AppState, run: Run, job: Job) -> None:
    if bool(app_state.run(run.run_id).log.adding) != bool(run.log.adding):
        st.rerun()  # the player is then updated
    left, right = st.columns([5, 1], vertical_alignment="center")
    share = min(1.0, job.done / job.total) if job.total else 0.0
    words = ", ".join(job.payload["prompts"])
    rest = f" · {clock(job.left_s)} left" if job.left_s is not None else ""
    left.progress(share, f"Looking for {words}: {job.done} of {job.total or '?'} samples{rest}")
    if right.button("Stop", key=f"stop_{job.job_id}", width="stretch"):
        app_state.engine.cancel(job.job_id)
    if not job.is_active:
        st.rerun()
