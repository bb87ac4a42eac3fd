"""What lies in the models folder, asked of a worker: once for each state of the folder.

This process reads only names, sizes and times: hashing gigabytes, or asking a runtime what an
export holds, would stop every page.
"""

from __future__ import annotations

from typing import Any

from lab.app.server.state import AppState
from lab.detectors.models_folder import folder_fingerprint
from lab.detectors.weights.files import models_folder
from lab.jobs.job import Job

WAIT_S = 2.0  # a folder that is known is listed in less


def listing(app_state: AppState) -> Job:
    """The job that lists the folder as it is now."""
    fingerprint = folder_fingerprint()
    for job in app_state.engine.jobs():
        known = job.kind == "models" and job.payload["fingerprint"] == fingerprint
        if known and job.state != "cancelled":
            return job
    return ask(app_state)


def ask(app_state: AppState) -> Job:
    """Have it listed, again if it was before."""
    return app_state.engine.submit(
        "models",
        "list the models",
        fingerprint=folder_fingerprint(),
        folder=str(models_folder()),
    )


def newest_rows(app_state: AppState) -> list[dict[str, Any]] | None:
    """What the last listing found; None if there was none yet."""
    folder = str(models_folder())
    for job in app_state.engine.jobs():
        if job.kind == "models" and job.payload["folder"] == folder and job.result is not None:
            rows: list[dict[str, Any]] = job.result["models"]
            return rows
    return None
