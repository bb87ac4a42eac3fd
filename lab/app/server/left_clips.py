"""Clips that a batch of a terminal left waiting when it ended: the app can do them in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from lab.app.server.state import AppState
from lab.detectors.trust import FILES, check_allowed, named_by_path
from lab.detectors.weights.files import models_folder
from lab.errors import LabError, SettingError
from lab.jobs.batch.service import QueuedClip
from lab.jobs.batch.work import Work
from lab.jobs.queue.queued_job import QueuedJob


@dataclass
class TakenOver:
    """count: clips that the app does now. reasons: why others stay where they are, and how many."""

    count: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def take_over(app_state: AppState) -> TakenOver:
    """Have the app do what no terminal is at any more, as far as a page may ask for it.

    What it may not do goes on waiting for `lab batch --resume`. Raises StoreError.
    """
    taken = TakenOver()
    queue = app_state.analyses.queue
    if queue is None:
        return taken
    left = queue.left_behind()
    for work_id, what in queue.work(list(left)).items():
        jobs = queue.jobs("work_id = ? AND state = 'waiting'", work_id)
        try:
            work = work_for_app(app_state, what)
        except LabError as error:
            taken.reasons[str(error)] += len(jobs)
            continue
        mine = [job for job in jobs if _may_open(app_state, job)]
        if others := len(jobs) - len(mine):
            taken.reasons["they lie outside of the media roots"] += others
        _start(app_state, mine, work)
        if mine:
            queue.take_off([job.job_id for job in mine])
            taken.count += len(mine)
    return taken


def work_for_app(app_state: AppState, what: Mapping[str, Any]) -> Work:
    """The same work, for the app. Raises LabError for what a page may not ask for."""
    if "document" in what:
        raise SettingError(f"{Path(what['document']).name} is read by a terminal alone")
    kept = {**what, "analyses": [_with_names(one) for one in what["analyses"]]}
    for one in kept["analyses"]:
        check_allowed(one["detector"], app_state.config.services)
    return Work.from_dict(kept)


def _with_names(analysis: Mapping[str, Any]) -> dict[str, Any]:
    """With the files of the models folder by their names. Raises SettingError for other ones."""
    settings = dict(analysis["detector"])
    for key in FILES:
        path = Path(str(settings.get(key) or ""))
        if path.parent == models_folder().absolute():
            settings[key] = path.name
    if named := named_by_path(settings):
        raise SettingError(f"a page may not name {named} outside of the models folder")
    return {**analysis, "detector": settings}


def _may_open(app_state: AppState, job: QueuedJob) -> bool:
    try:
        app_state.file_of_job(job)
    except LabError:
        return False
    return True


def _start(app_state: AppState, jobs: Sequence[QueuedJob], work: Work) -> None:
    """The jobs are in the order of their priorities, which stay."""
    for priority, some in groupby(jobs, key=lambda job: job.priority):
        clips = [QueuedClip(job.path, job.stamp, job.clip_id) for job in some]
        app_state.analyses.start(clips, work, priority=priority)
