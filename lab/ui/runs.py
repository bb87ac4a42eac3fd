"""Starting runs, and watching them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lab.detectors.weights import models_folder
from lab.errors import LabError
from lab.jobs import Job
from lab.registry import detectors
from lab.ui.clips import chosen
from lab.ui.parts import clock, finish, here

_SIZES = [320, 416, 512, 640, 800, 960, 1280]


@st.cache_data(show_spinner=False, max_entries=32)
def _labels(settings_text: str, settings: dict[str, Any]) -> list[str] | None:
    """Labels of a model, asked of the worker, which then has it warm. None: not usable."""
    job = here().engine.submit("describe", "load the detector", detector=settings)
    result = finish(job, "Loading the detector…")
    return result["labels"] if result else None


def run_form() -> None:
    """Detector, sampling, labels; starts a job for each chosen clip."""
    desk = here()
    media = {row["media_id"]: row for row in desk.store.all_media()}
    if not media:
        st.info("No clips yet. Pick some on the Source page first.")
        st.page_link("pages/source.py", label="Go to Source", icon=":material/arrow_back:")
        return
    clips = st.multiselect(
        "Clips",
        list(media),
        default=[m for m in chosen() if m in media] or list(media)[-1:],
        format_func=lambda m: media[m]["name"],
    )
    first, second, third, fourth = st.columns(4)
    name = first.selectbox("Detector", detectors.names())
    local = sorted(p.name for p in models_folder().glob("*") if p.suffix in (".onnx", ".pt"))
    weights = second.selectbox(
        "Weights", ["yolo11n (default)", *local], help=f"Own weights: put them in {models_folder()}"
    )
    size = third.selectbox("Image size, px", _SIZES, index=_SIZES.index(640))
    runtimes = ["torch"] if weights.endswith(".pt") else ["onnx", "openvino"]
    runtime = fourth.selectbox("Runtime", runtimes)
    settings: dict[str, Any] = {"name": name, "image_size": size, "runtime": runtime}
    if weights in local:
        settings["weights"] = weights
    known = _labels(str(settings), settings)
    if known is None:
        _labels.clear()
        return
    labels = st.multiselect(
        "Labels", known, placeholder=f"All {len(known)}", help="None chosen: all of them."
    )
    first, second = st.columns(2)
    every_s = first.number_input(
        "Seconds between samples", 0.0, 3600.0, 0.2, 0.1, format="%g", help="0 is every frame."
    )
    floor = second.number_input(
        "Score floor", 0.01, 0.9, 0.05, 0.01, help="Weaker detections are not kept; no threshold can go below."
    )
    if st.button("Start", type="primary", disabled=not clips):
        settings |= {"score_floor": floor}
        if labels:
            settings["labels"] = labels
        for media_id in clips:
            desk.engine.submit(
                "analyze",
                media[media_id]["name"],
                path=media[media_id]["path"],
                detector=settings,
                every_s=every_s,
                store=str(desk.store.folder),
            )


def show_jobs() -> None:
    """Jobs with progress, renewed while any is active."""
    active = any(job.is_active for job in _analyses())
    st.fragment(_job_list, run_every=0.5 if active else None)(active)


def _analyses() -> list[Job]:
    return [job for job in here().engine.jobs() if job.kind in ("analyze", "resume")]


def _job_list(was_active: bool) -> None:
    jobs = _analyses()
    if was_active and not any(job.is_active for job in jobs):
        st.rerun()  # the page around it shows the finished runs
    for job in jobs[:30]:
        _job_row(job)


def _job_row(job: Job) -> None:
    with st.container(border=True):
        words, bar, act = st.columns([3, 4, 2], vertical_alignment="center")
        words.markdown(f"**{job.title}**  \n{job.state}")
        if job.started is not None and job.state in ("running", "done", "cancelled"):
            share = min(1.0, job.done / job.total) if job.total else float(job.state == "done")
            text = f"{job.done} of {job.total or '?'} samples · {job.rate_hz:.1f} a second"
            if job.state == "running" and job.left_s is not None:
                text += f" · {clock(job.left_s)} left"
            bar.progress(share, text)
        elif job.error:
            bar.error(job.error)
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
    """Runs that were cancelled, failed or lost their worker, each with a way to go on."""
    desk = here()
    try:
        runs = [r for r in desk.store.runs() if r["state"] in ("cancelled", "failed", "interrupted")]
    except LabError as error:
        st.error(str(error))
        return
    busy = {job.payload.get("run_id") for job in _analyses() if job.is_active}
    media = {row["media_id"]: row["name"] for row in desk.store.all_media()}
    for run in runs[:20]:
        left, right = st.columns([5, 1], vertical_alignment="center")
        why = f": {run['error']}" if run["error"] else ""
        left.markdown(f"`{run['run_id']}` {media.get(run['media_id'], '')} is {run['state']}{why}")
        if right.button(
            "Resume", key=f"resume_{run['run_id']}", disabled=run["run_id"] in busy, width="stretch"
        ):
            desk.engine.submit(
                "resume",
                f"{media.get(run['media_id'], '')} (resumed)",
                run_id=run["run_id"],
                store=str(desk.store.folder),
            )
            st.rerun()
