"""Starting runs, and watching them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.address import keep as keep_in_address
from lab.app.ui.address import recall
from lab.app.ui.shared import clock, here
from lab.app.ui.widgets.choices import MOST, choose_some
from lab.app.ui.widgets.chosen import chosen
from lab.app.ui.widgets.detector_form import detector_form, in_words, offered
from lab.app.ui.widgets.pager import pager
from lab.app.ui.widgets.prompts import KEY
from lab.detectors.registered import detectors
from lab.errors import LabError, SettingError
from lab.formats.markdown import code, plain
from lab.jobs.document.export import text_of
from lab.jobs.job import Job
from lab.video.sampling import Sampling

_LIST = "keep_analyses"
_JOBS, _RUNS = 30, 20  # at once
_UNFINISHED = ("cancelled", "failed", "interrupted")
Analysis = dict[str, Any]


def run_form() -> None:
    """Clips, one analysis or several, and the start."""
    app_state = here()
    newest = app_state.store.media_rows(order="newest", limit=1)
    if not newest:
        st.info("No clips yet. Pick some in Library first.")
        st.page_link("pages/library.py", label="Go to Library", icon=":material/arrow_back:")
        return
    clips = _clips(app_state, newest[0]["media_id"])
    recall()
    one = _analysis_form()
    keep_in_address(clips)
    several: list[Analysis] = st.session_state.setdefault(_LIST, [])
    start, add, keep, rest = st.columns([2, 2, 2, 3])
    label = (
        "Start"
        if not several
        else f"Start {len(several)} {'analysis' if len(several) == 1 else 'analyses'}"
    )
    if start.button(
        label, type="primary", disabled=not clips or not (several or one), width="stretch"
    ):
        _submit(app_state, _in_order(app_state, clips), several or [one or {}])
    if add.button(
        "Add to the list",
        disabled=one is None,
        width="stretch",
        help="Several analyses share one decode of the clip, each at its own sampling.",
    ):
        if any(a["name"] == one["name"] for a in several if one):
            rest.error(
                f"An analysis is already named {plain(repr(one['name']))}; choose another name."
                if one
                else ""
            )
        else:
            several.append(one or {})
            st.rerun()
    _save_job(app_state, keep, clips, several or ([one] if one else []))
    _show_list(several)


def _clips(app_state: AppState, newest: str) -> list[str]:
    """Ids of the clips to analyse: those chosen in Library at first, or else the newest."""
    store, wanted = app_state.store, chosen()
    known = store.names_of_media(wanted)
    if unknown := [m for m in wanted if m not in known]:
        st.warning(
            "The address names a clip that the store does not have: "
            f"{plain(', '.join(map(repr, unknown[:3])))}; pick it in Library."
        )
    picked = [m for m in wanted if m in known]
    if len(picked) > MOST:
        few = ", ".join(plain(known[m]) for m in picked[:3])
        st.markdown(
            f"**{len(picked):,} clips:** {few} and {len(picked) - 3:,} more. They are listed in "
            "Library, where each can be taken out."
        )
        return picked

    def find(text: str, limit: int) -> dict[str, str]:
        rows = store.media_rows(order="newest", text=text, limit=limit)
        return {row["media_id"]: row["name"] for row in reversed(rows)}

    return choose_some(
        st,
        "Clips",
        find,
        "run_clips",
        name=store.names_of_media,
        what="Parts of a path or site",
        beside=True,
        default=picked or [newest],
    )


def _in_order(app_state: AppState, media_ids: list[str]) -> list[dict[str, Any]]:
    rows = {row["media_id"]: row for row in app_state.store.media_rows(media_id=media_ids)}
    return [rows[media_id] for media_id in media_ids if media_id in rows]


def _save_job(
    app_state: AppState, place: Any, media_ids: list[str], analyses: list[Analysis]
) -> None:
    """The analyses of the page as a document for the command line."""
    rows = []
    for one in analyses:
        settings = {k: v for k, v in one["detector"].items() if k != "name"}
        row = {
            "name": one["name"],
            "detector": one["detector"]["name"],
            **({"settings": settings} if settings else {}),
        }
        rows.append(row | {k: v for k, v in one.items() if k not in ("name", "detector")})

    def made() -> str:
        paths = [row["path"] for row in _in_order(app_state, media_ids)]
        source = {"type": "file", "paths": paths}
        return text_of(
            {"version": 1, "source": source, "analyses": rows, "sinks": [{"type": "store"}]}
        )

    place.download_button(
        "Save as a job",
        made,
        "job.yaml",
        "application/yaml",
        disabled=not (media_ids and rows),
        width="stretch",
        help="A document that does the same on the command line: lab analyze --job job.yaml",
    )


def _analysis_form() -> Analysis | None:
    """The analysis that the widgets describe; None while something is missing."""
    names = offered()
    if "keep_detector" not in st.session_state:
        st.session_state.keep_detector = "yolo-world" if st.session_state.get(KEY) else "yolo"
    if st.session_state.keep_detector not in names:
        st.warning(
            f"There is no detector {plain(repr(st.session_state.keep_detector))} here; "
            "yolo is selected."
        )
        st.session_state.keep_detector = "yolo"
    name = st.selectbox(
        "Detector", names, key="keep_detector", persist_state="session", format_func=in_words
    )
    settings = detector_form(name)
    first, second = st.columns(2)
    every_s = first.number_input(
        "Seconds between samples",
        0.0,
        3600.0,
        st.session_state.get("like", {}).get("every_s", 0.2),
        0.1,
        format="%g",
        help="0 is every frame.",
    )
    default_floor = _default_floor(name)
    floor = second.number_input(
        "Score floor", 1e-6, 0.9, default_floor, 0.01, format="%g", key=f"floor_{name}",
        help="Weaker detections are not stored; no threshold can be lower.",
    )  # fmt: skip
    with st.expander("Name, sampling and gate"):
        first, second, third, fourth = st.columns(4)
        title = first.text_input("Name of the analysis", name, key=f"title_{name}")
        step = second.number_input(
            "One frame in",
            1,
            1000,
            1,
            key=f"step_{name}",
            help="Use only every n-th frame of the clip.",
        )
        count = third.number_input(
            "Frames at a time",
            1,
            1000,
            1,
            key=f"count_{name}",
            help="For algorithms that need several frames: the sampled one and those before it.",
        )
        gate = fourth.toggle(
            "Only when something moves",
            key=f"gate_{name}",
            help=(
                "A motion gate skips frames on which nothing moves. They are logged as gated, "
                "leave streaks unchanged, and are subtracted from the effort."
            ),
        )
    if settings is None:
        return None
    if not 1 <= len(title.strip()) <= 100:
        st.error("The analysis needs a name of 1 to 100 characters.")
        return None
    try:
        Sampling(every_s=every_s, frame_count=int(count), frame_step=int(step))
    except SettingError as error:
        st.error(plain(error))
        return None
    if floor != default_floor:
        settings["score_floor"] = floor
    made: Analysis = {"name": title.strip(), "detector": settings, "interval_s": every_s}
    return made | _optional_settings(int(count), int(step), gate)


def _optional_settings(count: int, step: int, gate: bool) -> Analysis:
    sampling = {"frame_count": count, "frame_step": step}
    return {k: v for k, v in sampling.items() if v != 1} | ({"gate": "motion"} if gate else {})


def _default_floor(name: str) -> float:
    built_in = detectors.package(name) is None
    return float(getattr(detectors.get(name), "default_score_floor", 0.05)) if built_in else 0.05


def _show_list(several: list[Analysis]) -> None:
    for i, one in enumerate(list(several)):
        words, drop = st.columns([8, 1], vertical_alignment="center")
        settings = {k: v for k, v in one["detector"].items() if k != "name"}
        sampling = f"every {one['interval_s']:g} s" if one["interval_s"] else "every frame"
        extra = "".join(
            f", {plain(k.replace('_', ' '))} {plain(v)}"
            for k, v in one.items()
            if k in ("frame_count", "frame_step", "gate")
        )
        few = ", ".join(f"{k} {_short(v)}" for k, v in settings.items())
        words.markdown(
            f"**{plain(one['name'])}** · {plain(one['detector']['name'])} · {sampling}{extra}  \n"
            f"{plain(few)}"
        )
        if drop.button("Remove", key=f"drop_{i}_{one['name']}", width="stretch"):
            several.pop(i)
            st.rerun()


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _submit(app_state: AppState, media: list[dict[str, Any]], analyses: list[Analysis]) -> None:
    st.session_state.pop("like", None)
    for row in media:
        try:
            file = app_state.clip_file(row)
        except LabError as error:
            st.error(plain(error))
            continue
        names = " · " + ", ".join(_in_brief(a) for a in analyses)
        app_state.engine.submit(
            "analyze",
            row["name"] + names,
            path=str(file),
            media_id=row["media_id"],
            analyses=analyses,
            store=str(app_state.store.folder),
        )


def _in_brief(one: Analysis) -> str:
    labels = one["detector"].get("labels")
    few = f" ({_short(labels)})" if isinstance(labels, list) and labels else ""
    return f"{one['name']}{few}"


def show_jobs() -> None:
    """Jobs with progress, refreshed while any is active."""
    active = any(job.is_active for job in _analyses())
    st.fragment(_job_list, run_every=0.5 if active else None)(active)


def _analyses() -> list[Job]:
    return [job for job in here().engine.jobs() if job.kind in ("analyze", "resume", "prompts")]


def _job_list(was_active: bool) -> None:
    cleared = st.session_state.get("cleared_jobs", ())
    jobs = [job for job in _analyses() if job.job_id not in cleared]
    if was_active and not any(job.is_active for job in jobs):
        st.rerun()  # the rest of the page shows the finished runs
    ended = [job.job_id for job in jobs if not job.is_active]
    if len(jobs) > _JOBS:
        jobs.sort(key=lambda job: ("running", "queued").index(job.state) if job.is_active else 2)
        st.caption(f"{len(jobs) - len(ended):,} of {len(jobs):,} analyses wait or run.")
    first = pager("jobs", len(jobs), _JOBS)
    for job in jobs[first : first + _JOBS]:
        _job_row(job)
    if ended and st.button("Clear ended jobs", help="From this list only; runs stay in the store."):
        st.session_state.setdefault("cleared_jobs", set()).update(ended)
        st.rerun()


def _job_row(job: Job) -> None:
    with st.container(border=True):
        words, bar, act = st.columns([4, 5, 1], vertical_alignment="center")
        words.markdown(f"**{plain(job.title)}**  \n{plain(job.state)}")
        if job.started is not None and job.state in ("running", "done", "cancelled"):
            share = min(1.0, job.done / job.total) if job.total else float(job.state == "done")
            text = f"{job.done} of {job.total or '?'} samples · {job.rate_hz:.1f} a second"
            if job.state == "running" and job.left_s is not None:
                text += f" · {clock(job.left_s)} left"
            bar.progress(share, text)
            if job.error:
                bar.caption(plain(job.error))
        elif job.error:
            bar.error(plain(job.error))
        with act:
            if job.is_active and st.button("Cancel", key=f"cancel_{job.job_id}", width="stretch"):
                here().engine.cancel(job.job_id)
            if job.run_id:
                st.page_link(
                    "pages/tune.py",
                    label="Tune",
                    icon=":material/tune:",
                    query_params={"run": job.run_id},
                )


def unfinished_runs() -> None:
    """Runs that were cancelled, failed or lost their worker, each with a Resume button."""
    app_state = here()
    store = app_state.store
    try:
        total = store.count_runs(state=_UNFINISHED)
        first = pager("unfinished", total, _RUNS)
        runs = store.runs(state=_UNFINISHED, limit=_RUNS, offset=first) if total else []
        ids = sorted({run["media_id"] for run in runs})
        media = {row["media_id"]: row for row in store.media_rows(media_id=ids)} if ids else {}
    except LabError as error:
        st.error(plain(error))
        return
    busy = {job.payload.get("run_id") for job in _analyses() if job.is_active}
    for run in runs:
        clip = media.get(run["media_id"], {"name": "", "path": ""})
        left, right = st.columns([5, 1], vertical_alignment="center")
        why = f": {plain(run['error'])}" if run["error"] else ""
        left.markdown(f"{code(run['run_id'])} {plain(clip['name'])} is {plain(run['state'])}{why}")
        if right.button(
            "Resume", key=f"resume_{run['run_id']}", disabled=run["run_id"] in busy, width="stretch"
        ):
            try:
                app_state.clip_file(clip)
            except LabError as error:
                st.error(plain(error))
                continue
            app_state.engine.submit(
                "resume",
                f"{clip['name']} (resumed)",
                run_id=run["run_id"],
                store=str(app_state.store.folder),
            )
            st.rerun()
