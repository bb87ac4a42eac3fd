"""Downloads of weights: begun, watched, stopped."""

from __future__ import annotations

import threading

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import clock, size
from lab.detectors.models_folder import unfinished
from lab.detectors.weights.files import models_folder
from lab.formats.markdown import plain
from lab.jobs.job import Job

_MAX_JOBS = 6
_starting = threading.Lock()


def start_download(app_state: AppState, name: str) -> Job:
    """The job that downloads `name`: a new one, or the one that is active already."""
    with _starting:
        job = newest_downloads(app_state).get(name)
        if job is not None and job.is_active:
            return job
        return app_state.engine.submit(
            "weights", name, weights=name, store=str(app_state.store.folder)
        )


def newest_downloads(app_state: AppState) -> dict[str, Job]:
    """The last download job of each name, newest first."""
    found: dict[str, Job] = {}
    for job in app_state.engine.jobs():
        if job.kind == "weights":
            found.setdefault(job.payload["weights"], job)
    return found


def show_downloads(app_state: AppState) -> None:
    """Downloads with progress, refreshed while any is active."""
    active = any(job.is_active for job in newest_downloads(app_state).values())
    st.fragment(_downloads, run_every=0.5 if active else None)(app_state, active)


def _downloads(app_state: AppState, was_active: bool) -> None:
    jobs = list(newest_downloads(app_state).values())
    if was_active and not any(job.is_active for job in jobs):
        st.rerun()  # the rows below show what is downloaded now
    parts = unfinished()
    listed = [job for job in jobs if job.is_active]
    listed += [job for job in jobs if not job.is_active and _matches_folder(job)][:_MAX_JOBS]
    for job in listed:
        _download(app_state, job, parts.get(job.payload["weights"], 0))


def _matches_folder(job: Job) -> bool:
    return (models_folder() / job.payload["weights"]).is_file() == (job.state == "done")


def _download(app_state: AppState, job: Job, part_bytes: int) -> None:
    name = plain(job.payload["weights"])
    if job.state == "done":
        st.success(f"{name} is downloaded and verified.")
        return
    kept = f"{size(part_bytes)} of it are kept; the next download continues from there."
    kept = kept if part_bytes else "Nothing of it was kept."
    if job.state == "failed":
        st.error(f"{plain(job.error or f'{name} failed')}. {kept}")
    elif job.state == "cancelled":
        st.warning(f"The download of {name} was stopped. {kept}")
    else:
        _progress(app_state, job, name)


def _progress(app_state: AppState, job: Job, name: str) -> None:
    with st.container(border=True):
        share = min(1.0, job.done / job.total) if job.total else 0.0
        text = f"**{name}** · "
        if job.state == "queued":
            text += "queued"
        elif not job.done:
            text += "connecting"
        else:
            text += (
                f"{size(job.done)} of {size(job.total) if job.total else '?'} · "
                f"{size(int(job.rate_hz))} per second"
            )
            if job.left_s is not None:
                text += f" · {clock(job.left_s)} left"
        st.progress(share, text)
        stopping = st.session_state.get(f"stopping_{job.job_id}", False)
        label = "Stopping…" if stopping else "Stop"
        if st.button(label, key=f"stop_{job.job_id}", disabled=stopping):
            app_state.engine.cancel(job.job_id)
            st.session_state[f"stopping_{job.job_id}"] = True
            st.rerun(scope="fragment")
