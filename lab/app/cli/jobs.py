"""`jobs`: what waits, runs and failed in the batches of a store."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from lab.counted import counted
from lab.errors import SettingError, printable
from lab.jobs.queue.file import FILE_NAME
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import QueuedJob

Command = Callable[..., argparse.ArgumentParser]
_MOST_ROWS = 50
_MOST_REASONS = 5
_WHAT = ("list", "pause", "go-on", "cancel", "retry", "priority")


def _jobs(args: argparse.Namespace) -> int:
    from lab.store.store import Store

    folder = Store(args.store).folder
    if not (folder / FILE_NAME).exists() and args.what != "pause":
        nothing = "the queue is empty" if folder.is_dir() else f"there is no store in {folder}"
        print(json.dumps({"counts": {}, "jobs": []}) if args.json else nothing)
        return 0
    with JobQueue(folder) as queue:
        queue.free_the_dead()
        if queue.note is not None:
            print(f"lab: note: {queue.note}", file=sys.stderr)
        if args.what == "list":
            _list(queue, args)
        else:
            _change(queue, args)
    return 0


def _change(queue: JobQueue, args: argparse.Namespace) -> None:
    ids = None if args.all else args.jobs
    if args.what in ("pause", "go-on"):
        if args.jobs or args.all:
            raise SettingError(f"{args.what} is for the whole queue; name no jobs")
        queue.pause() if args.what == "pause" else queue.go_on()
        print("paused; go on with: lab jobs go-on" if args.what == "pause" else "goes on")
        return
    if args.what == "priority":
        if args.to is None or args.all or not args.jobs:
            raise SettingError("priority needs the ids of jobs, and --to N")
        queue.set_priority(args.jobs, args.to)
        print(f"priority {args.to} for {', '.join(map(str, args.jobs))}")
        return
    if not args.all and not args.jobs:
        raise SettingError(f"name the jobs to {args.what} by their ids, or give --all")
    count = queue.cancel(ids) if args.what == "cancel" else queue.retry(ids)
    more = _what_starts_them(queue, ids) if args.what == "retry" and count else ""
    again = "waits again" if count == 1 else "wait again"
    done = "cancelled" if args.what == "cancel" else again
    print(f"{counted(count, 'job')} {done}{more}{'' if count else _as_they_are(queue, args.jobs)}")


def _what_starts_them(queue: JobQueue, job_ids: list[int] | None) -> str:
    """Of jobs that wait again: the app looks for its own, a batch must be started."""
    works = queue.unfinished_work()
    if job_ids is not None:
        found = queue.jobs("job_id IN (SELECT value FROM json_each(?))", json.dumps(job_ids))
        works = queue.work(sorted({job.work_id for job in found}))
    are_apps = {what.get("by") == "app" for what in works.values()}
    if are_apps == {True}:
        return "; the app does them while it runs"
    if are_apps == {False}:
        return "; start them with: lab batch --resume"
    return "; the app does its own while it runs; start the others with: lab batch --resume"


def _as_they_are(queue: JobQueue, job_ids: list[int]) -> str:
    """Why nothing was changed."""
    found = queue.jobs("job_id IN (SELECT value FROM json_each(?))", json.dumps(job_ids))
    said = [f"{job.job_id} is {job.state}" for job in found[:_MOST_REASONS]]
    return f": {', '.join(said)}" if said else ""


def _list(queue: JobQueue, args: argparse.Namespace) -> None:
    where, values = "state = coalesce(?, state)", [args.state]
    if args.jobs:
        queue.check_known(args.jobs)
        where += " AND job_id IN (SELECT value FROM json_each(?))"
        values.append(json.dumps(args.jobs))
    found = queue.jobs(where, *values, limit=-1 if args.all or args.json else _MOST_ROWS)
    counts = {state: n for state, n in queue.counts(where, *values).items() if n}
    if args.json:
        rows = [_row(job) for job in found]
        print(json.dumps({"counts": counts, "paused": queue.is_paused, "jobs": rows}, indent=1))
        return
    for job in found:
        share = ""
        if job.state == "running" and job.total:
            share = f" {100 * (job.done or 0) // job.total}%"
        reason = "" if job.state == "done" or not job.reason else f": {job.reason}"
        print(f"{job.job_id:>6}  {job.state + share:<12} {printable(job.path)}{printable(reason)}")
    total = sum(counts.values())
    if len(found) == _MOST_ROWS < total:
        print("and more; all with --all or --json")
    nothing = "no job is in this state" if args.state else "the queue is empty"
    print(", ".join(f"{n} {state}" for state, n in counts.items()) or nothing)
    if queue.is_paused:
        print("paused; go on with: lab jobs go-on")


def _row(job: QueuedJob) -> dict[str, object]:
    names = ("job_id", "path", "state", "priority", "tries", "reason", "seconds", "done", "total")
    return {name: getattr(job, name) for name in names} | {"run_ids": list(job.run_ids)}


def add(command: Command) -> list[argparse.ArgumentParser]:
    q = command("jobs", _jobs, "The queue of batches: list, pause, go on, cancel, retry, order.",
                "lab jobs list --state failed")  # fmt: skip
    q.add_argument("what", nargs="?", choices=_WHAT, default="list")
    q.add_argument("jobs", nargs="*", type=int, metavar="JOB", help="ids, as `list` shows them")
    q.add_argument(
        "--all",
        action="store_true",
        help="list all; cancel all that have not ended; retry all that failed",
    )
    q.add_argument(
        "--state",
        choices=["waiting", "running", "done", "failed", "cancelled"],
        help="list: only these",
    )
    q.add_argument("--to", type=int, metavar="N", help="priority: the new one")
    return [q]
