"""`batch`: many clips, without watching."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lab.app.cli.analyze import add_analysis_options, detector_settings_of
from lab.app.cli.job import check_set_by_document
from lab.app.cli.rule_options import named_rule
from lab.errors import LabError, SettingError, printable
from lab.jobs.batch.clips import find_batch

if TYPE_CHECKING:
    from lab.jobs.batch.result import BatchResult

Command = Callable[..., argparse.ArgumentParser]
_INTERRUPTED = 130


def _batch(args: argparse.Namespace) -> int:
    """Exit code 0 if all is done, 1 if something is not, 130 after Ctrl+C. Raises LabError."""
    try:
        result = _result(args)
        if args.logs_to is not None:
            _push(result, args)
    except KeyboardInterrupt:  # before the first clip
        print("lab: stopped; give the same command again to go on", file=sys.stderr)
        return _INTERRUPTED
    if args.json:
        print(json.dumps(result.to_dict(), indent=1))
    else:
        print(_summary(result))
    _tell(result)
    return result.exit_code


def _result(args: argparse.Namespace) -> BatchResult:
    from lab.jobs.batch.batch import resume_batches, run_batch, run_document
    from lab.jobs.batch.work import AppliedRule, work_of
    from lab.jobs.document.read import read_job
    from lab.runs.log_exchange import check_place
    from lab.store.store import Store

    if args.logs_to is not None:
        check_place(args.logs_to)
    bar = sys.stderr.isatty()
    console = sys.stderr if args.json else sys.stdout
    if args.resume:
        if args.paths or args.job:
            raise SettingError("--resume goes on with all that waits; name no clips beside it")
        return resume_batches(
            Store(args.store), workers=args.workers, progress=bar, trust=args.trust,
            console=console, **_engine(args),
        )  # fmt: skip
    options: dict[str, Any] = {
        "workers": args.workers, "priority": args.priority, "progress": bar, "console": console,
        **_engine(args),
    }  # fmt: skip
    if args.job is not None:
        check_set_by_document(args)
        if args.apply is not None:
            raise SettingError("--apply cannot be combined with --job; set it in the document")
        document = read_job(args.job, expand=True)
        return run_document(document, args.job, args.store, trust=args.trust, **options)
    if args.trust:
        raise SettingError("--trust goes with --job; options of your own need none")
    if not args.paths:
        raise SettingError("name files, folders or patterns, or a document with --job")
    store = Store(args.store)
    rule = None
    if args.apply is not None:
        saved = {row["name"] for row in store.rules()}
        rule = AppliedRule(
            named_rule(args.apply, store), args.apply if args.apply in saved else None
        )
    work = work_of(
        args.detector, detector_settings_of(args), every_s=args.every, gate=args.gate, rule=rule
    )
    return run_batch(find_batch(args.paths), work, store, **options)


def _push(result: BatchResult, args: argparse.Namespace) -> None:
    """Give the finished runs to a place; what cannot be given is a failure of the batch."""
    from lab.runs.log_exchange import push_logs
    from lab.store.store import Store

    ids = [run_id for job in result.jobs if job.state == "done" for run_id in job.run_ids]
    try:
        found = push_logs(Store(args.store), args.logs_to, ids)
    except LabError as error:
        again = f"lab logs push {args.logs_to}"
        result.failures.append(f"{error}; the runs are in the store: {again}")
        return
    result.failures += [f"run {i} was not given away: {why}" for i, why in found.left_out.items()]


def _engine(args: argparse.Namespace) -> dict[str, Any]:
    """Where the batch runs. Raises SettingError for what only a cluster takes."""
    given = {"address": args.address, "cpus": args.cpus, "gpus": args.gpus}
    settings = {name: value for name, value in given.items() if value is not None}
    if settings and args.engine == "local":
        raise SettingError(f"--{next(iter(settings))} goes with --engine ray")
    return {"engine": args.engine, "engine_settings": settings}


def _summary(result: BatchResult) -> str:
    total = len(result.jobs)
    if not total:
        return "nothing waits in the queue"
    counts = ", ".join(f"{n} {state}" for state, n in result.counts.items())
    return f"{total} clip{'' if total == 1 else 's'}: {counts}; {result.seconds:.1f} s"


def _tell(result: BatchResult) -> None:
    """What is worth knowing, and each clip that is not done, a line each on standard error."""
    lines = [f"note: {text}" for text in result.notes]
    for job in result.jobs:
        if job.state == "done" and job.reason:
            lines.append(f"note: {job.path}: {job.reason}")
        elif job.state in ("failed", "cancelled"):
            reason = job.reason or job.state
            lines.append(reason if job.path in reason else f"{job.path}: {reason}")
    lines += result.failures
    if result.is_interrupted:
        lines.append("stopped; go on with the same command, or with: lab batch --resume")
    elif result.stopped:
        lines.append(result.stopped)
    for line in lines:
        print("lab: " + " ".join(printable(line).split()), file=sys.stderr)


def add(command: Command) -> list[argparse.ArgumentParser]:
    b = command(
        "batch",
        _batch,
        "Run a detector over many clips, in processes of their own; what is in the store already "
        "is not computed again. Stopped or killed, the same command goes on.",
        "lab batch cards/ 'more/**/*.mp4' --labels deer --every 0.5 --apply deer.json",
    )
    b.add_argument(
        "paths", nargs="*", metavar="PATH", help="files, folders with all below, patterns"
    )
    add_analysis_options(b)
    b.add_argument(
        "--apply",
        metavar="RULE",
        help="save the sightings of this rule as clips finish: a saved one, or a file; it does not "
        "become the current rule of these settings, which `lab apply` alone changes",
    )
    b.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes, each with the model (default: half as many as cores); on a cluster, clips "
        "at the same time (default: as many as its nodes hold)",
    )
    b.add_argument(
        "--engine",
        default="local",
        metavar="NAME",
        help="local: processes of this machine (default); ray: a Ray cluster, or this one as such",
    )
    b.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="the head of the Ray cluster, or auto; default: RAY_ADDRESS, else this machine",
    )
    b.add_argument(
        "--cpus",
        type=float,
        metavar="N",
        help="cores of a node that each clip takes on a cluster (default: 1); below 1 for a "
        "detector that waits for a service",
    )
    b.add_argument(
        "--gpus",
        type=float,
        metavar="N",
        help="GPUs of a node that each clip takes on a cluster, such as 0.5 (default: 0)",
    )
    b.add_argument(
        "--priority",
        type=int,
        default=0,
        metavar="N",
        help="clips of a higher one come first; default: 0",
    )
    b.add_argument(
        "--logs-to",
        metavar="PLACE",
        help="give the finished runs to s3://..., gs://... or a folder, for: lab logs pull",
    )
    b.add_argument(
        "--resume", action="store_true", help="go on with all clips that wait in the store's queue"
    )
    return [b]
