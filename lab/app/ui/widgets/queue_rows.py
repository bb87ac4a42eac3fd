"""A job of the queue as the page's table shows it, and what is left of all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from lab.app.ui.shared import clock, shortened
from lab.counted import counted
from lab.formats.markdown import isolated, visible
from lab.jobs.job import Job
from lab.jobs.queue.queued_job import QueuedJob

Row = dict[str, Any]
_CANCEL = {"verb": "cancel", "text": "Cancel", "title": "What was logged is kept"}
_FIRST = {
    "verb": "first",
    "text": "↑",
    "says": "Do first",
    "title": "Do it before all others that wait",
}
_LAST = {
    "verb": "last",
    "text": "↓",
    "says": "Do last",
    "title": "Do it after all others that wait",
}
_RETRY = {"verb": "retry", "text": "Retry", "title": "Try it again"}
_RESUME = {"verb": "retry", "text": "Resume", "title": "Go on from what was logged"}


def row_of(
    job: QueuedJob,
    what: Mapping[str, Any],
    name: str,
    live: Job | None,
    *,
    is_left: bool = False,
) -> Row:
    """what: of its work. name: of the clip. live: what a worker of this app is at with it.
    is_left: a terminal queued it, and does it no more.
    """
    done, total, rate = job.done or 0, job.total, job.rate_hz
    if live is not None:
        done, total, rate = live.done, live.total, live.rate_hz
    is_running = job.state == "running"
    run_id = live.run_id if live is not None else next(iter(job.run_ids), None)
    left = None
    if is_running and total and rate:
        left = max(0, total - done) / rate
    return {
        "id": str(job.job_id),
        "name": isolated(shortened(name)),
        "path": isolated(job.path),
        "what": in_brief(what),
        "state": job.state,
        "words": _words(job, what, is_left),
        "reason": _reason(job),
        "count": _count(job, done, total),
        "share": min(1.0, done / total) if is_running and total else None,
        "speed": _speed(rate, what) if job.state in ("running", "done") else "",
        "left": "" if left is None else clock(left),
        "acts": _acts(job),
        "review": run_id if job.state != "waiting" else None,
    }


def prompts_row(job: Job) -> Row:
    """Prompts that are added to a run in Review: their job ends with the app."""
    share = min(1.0, job.done / job.total) if job.total else 0.0
    is_running = job.state == "running"
    return {
        "id": f"prompts {job.job_id}",
        "name": isolated(job.title),
        "path": isolated(job.title),
        "what": "prompts added in Review",
        "state": "waiting" if job.state == "queued" else job.state,
        "words": "waiting" if job.state == "queued" else job.state,
        "reason": visible(job.error or ""),
        "count": f"{job.done:,} of {job.total or '?'}" if is_running else "",
        "share": share if is_running else None,
        "speed": f"{job.rate_hz:.1f} samples/s" if is_running and job.rate_hz else "",
        "left": clock(job.left_s) if is_running and job.left_s is not None else "",
        "acts": [_CANCEL] if job.is_active else [],
        "review": job.payload["run_id"],
    }


def names_of(jobs: Sequence[QueuedJob], called: Mapping[str, str]) -> dict[int, str]:
    """What each job's clip is called; of two with one name, with the folder.

    called: names of clips of the store, by media_id.
    """
    names = {j.job_id: called.get(j.clip_id or "") or PurePath(j.path).name for j in jobs}
    several = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {
        job.job_id: (
            "/".join(PurePath(job.path).parts[-2:])
            if names[job.job_id] in several
            else names[job.job_id]
        )
        for job in jobs
    }


def in_brief(what: Mapping[str, Any]) -> str:
    """What is done with a clip: its analyses, and the rule whose sightings are saved."""
    if "resume" in what:
        return f"run {what['resume']} is gone on with"
    if "document" in what:
        return f"as {isolated(PurePath(what['document']).name)} says"
    if "inline" in what:
        return "a job document: " + ", ".join(
            isolated(str(one.get("name", one["detector"]))) for one in what["inline"]["analyses"]
        )
    words = ", ".join(map(_analysis, what.get("analyses") or []))
    if what.get("current"):
        return f"{words} · sightings of the current rule"
    if what.get("rule"):
        return f"{words} · sightings of {isolated(what['rule']['name'] or 'a rule')}"
    return words


def _analysis(one: Mapping[str, Any]) -> str:
    labels = one["detector"].get("labels")
    few = f" ({isolated(short(labels))})" if isinstance(labels, list) and labels else ""
    return f"{isolated(one['name'])}{few}"


def short(value: Any) -> str:
    """A setting's value in at most 60 characters."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def left_s(
    running: Sequence[float | None], waiting: int, usual_s: float | None, workers: int
) -> float | None:
    """Seconds until all is done; None while nothing is known.

    running: what is left of each that runs. usual_s: what a clip takes.
    """
    known = [one for one in running if one is not None]
    unknown = len(running) - len(known) + waiting
    if unknown and usual_s is None:
        return None
    whole = sum(known) + unknown * (usual_s or 0.0)
    return max([whole / max(1, min(workers, len(running) + waiting)), *known])


def in_words(seconds: float) -> str:
    """Such as `about 4 min left`."""
    if seconds < 60:
        return "less than 1 min left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < 90 else f"about {round(minutes / 60)} h left"


def _words(job: QueuedJob, what: Mapping[str, Any], is_left: bool) -> str:
    if job.state == "done" and job.was_there:
        return "the same run was there"
    if job.state == "waiting" and job.tries:
        wait = max(0, round(job.not_before - time.time()))
        return f"tried again in {wait} s" if wait else "tried again next"
    if job.state == "waiting" and what and what.get("by") != "app":
        return "left by lab batch" if is_left else "waits for lab batch"
    if job.state == "waiting" and job.priority:
        return "waiting, first" if job.priority > 0 else "waiting, last"
    if job.is_stopping:
        return "stopping"
    return job.state


def _reason(job: QueuedJob) -> str:
    """Without the folders of its clip, whose whole path is the title of its name."""
    return visible(job.reason or "").replace(visible(job.path), isolated(PurePath(job.path).name))


def _count(job: QueuedJob, done: int, total: int | None) -> str:
    if job.state == "running":
        return f"{done:,} of {total:,}" if total else "starting"
    if job.state == "done" and not job.was_there:
        samples = f"{counted(total, 'sample')} in " if total else ""
        return samples + clock(job.seconds)
    return ""


def _speed(rate: float | None, what: Mapping[str, Any]) -> str:
    """Samples a second and, where that can be said, how much faster than the clip plays."""
    if not rate:
        return ""
    analyses = what.get("analyses") or []
    every_s = analyses[0].get("interval_s") if len(analyses) == 1 else None
    count = analyses[0].get("frame_count", 1) if len(analyses) == 1 else 1
    times = f" · {rate * every_s / count:.3g} × real time" if every_s else ""
    return f"{rate:.3g} samples/s{times}"


def _acts(job: QueuedJob) -> list[dict[str, str]]:
    if job.state == "running":
        return [] if job.is_stopping else [_CANCEL]
    if job.state == "waiting":
        return [_FIRST, _LAST, _CANCEL]
    if job.state == "cancelled" and job.claims:
        return [_RESUME]
    return [_RETRY] if job.state in ("failed", "cancelled") else []
