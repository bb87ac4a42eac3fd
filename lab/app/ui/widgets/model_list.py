"""The contents of the models folder, listed by a worker once for each state of the folder.

This process reads only names, sizes and times: hashing gigabytes, or opening an export in a
runtime, would block every page.
"""

from __future__ import annotations

from typing import Any

from lab.app.server.state import AppState
from lab.detectors.models_folder import folder_fingerprint
from lab.detectors.weights.files import models_folder
from lab.jobs.job import Job

WAIT_S = 2.0  # a folder that was listed before takes less


def listing(app_state: AppState) -> Job:
    """The job that lists the folder as it is now."""
    fingerprint = folder_fingerprint()
    for job in app_state.engine.jobs():
        is_listing = job.kind == "models" and job.payload["fingerprint"] == fingerprint
        if is_listing and job.state != "cancelled":
            return job
    return start_listing(app_state)


def start_listing(app_state: AppState) -> Job:
    """Start a job that lists the folder, even if it was listed before."""
    return app_state.engine.submit(
        "models",
        "list the models",
        fingerprint=folder_fingerprint(),
        folder=str(models_folder()),
    )


def newest_rows(app_state: AppState) -> list[dict[str, Any]] | None:
    """The rows of the last listing; None if there was none yet."""
    folder = str(models_folder())
    for job in app_state.engine.jobs():
        if job.kind == "models" and job.payload["folder"] == folder and job.result is not None:
            rows: list[dict[str, Any]] = job.result["models"]
            return rows
    return None
