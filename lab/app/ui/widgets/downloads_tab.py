"""The tab Known: weights of the catalogue, and their downloads."""

from __future__ import annotations

import threading

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import clock, size
from lab.detectors.models_folder import unfinished
from lab.detectors.weights.catalogue import CHECKS, Entry, catalogue
from lab.detectors.weights.files import models_folder
from lab.formats.markdown import plain
from lab.jobs.job import Job

_MAX_ROWS = 12
_MAX_JOBS = 6
_starting = threading.Lock()


def known(app_state: AppState) -> None:
    entries = catalogue(models_folder())
    _show_downloads(app_state)
    text = st.text_input(
        "Filter",
        key="keep_known_filter",
        persist_state="session",
        placeholder="Parts of a name, task or licence: yolo11 segment",
    )
    words = text.lower().split()
    fit = [e for e in entries.values() if all(word in _search_text(e) for word in words)]
    st.caption(
        f"{len(fit)} of {len(entries)} known weights. Add your own to `catalogue.toml` in the "
        "models folder."
    )
    many = len(fit) > _MAX_ROWS and not st.session_state.get("known_all")
    parts = unfinished()
    jobs = newest_downloads(app_state)
    for entry in fit[:_MAX_ROWS] if many else fit:
        _row(app_state, entry, jobs.get(entry.name), parts.get(entry.name))
    if many and st.button(f"Show all {len(fit)}"):
        st.session_state.known_all = True
        st.rerun()


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


def _search_text(entry: Entry) -> str:
    return f"{entry.name} {entry.task} {entry.licence} {entry.check} {entry.url}".lower()


def _row(app_state: AppState, entry: Entry, job: Job | None, part_bytes: int | None) -> None:
    with st.container(border=True):
        left, right = st.columns([4, 1], vertical_alignment="center")
        facts = [
            entry.task,
            entry.licence,
            size(entry.size_bytes) if entry.size_bytes else "size unknown",
        ]
        left.markdown(
            f"**{plain(entry.name)}**  \n" + " · ".join(plain(fact) for fact in facts)
            + f"  \n:small[Check: {plain(CHECKS[entry.check])}.]"
        )  # fmt: skip
        if (models_folder() / entry.name).is_file():
            right.button(
                "Downloaded",
                key=f"get_{entry.name}",
                disabled=True,
                icon=":material/check:",
                width="stretch",
            )
            return
        active = job is not None and job.is_active
        label = (
            "Downloading"
            if active
            else f"Continue from {size(part_bytes)}"
            if part_bytes
            else "Download"
        )
        if right.button(
            label,
            key=f"get_{entry.name}",
            disabled=active,
            icon=":material/download:",
            width="stretch",
        ):
            start_download(app_state, entry.name)
            st.rerun()


def _show_downloads(app_state: AppState) -> None:
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
