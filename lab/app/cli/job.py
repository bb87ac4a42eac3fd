"""`job`, and `analyze --job`: a whole analysis as one document."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from lab.app.cli.rule_options import named_rule
from lab.counted import counted
from lab.errors import SettingError

Command = Callable[..., argparse.ArgumentParser]
# Options of `analyze` that a document sets itself, with their defaults.
_SET_BY_DOCUMENT: dict[str, Any] = {
    "paths": [], "detector": "yolo", "weights": None, "runtime": None, "labels": None,
    "every": 0.2, "image_size": None, "score_floor": None, "settings": [], "resume": False,
}  # fmt: skip


def analyze_job(args: argparse.Namespace) -> int:
    """`lab analyze --job FILE`: exit code 1 if a clip or an analysis failed."""
    from lab.jobs.document.read import read_job
    from lab.jobs.document.run import run_job

    check_set_by_document(args)
    found = run_job(
        read_job(args.job, expand=True),
        args.store,
        progress=sys.stderr.isatty(),
        reuse=args.reuse,
        console=sys.stderr if args.json else sys.stdout,
        trust=args.trust,
    )
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        for run in found.runs:
            print(
                f"{run.run_id}  {run.media['path']}: {run.analysis}, "
                f"{counted(len(run.log.pts_us), 'sample')}, {run.state}"
            )
    for run in found.runs:
        if run.media["warning"]:
            print(f"lab: note: {run.media['name']}: {run.media['warning']}", file=sys.stderr)
    for path in found.written:
        print(f"wrote {path}", file=sys.stderr)
    for text in found.failures:
        print(f"lab: {' '.join(text.split())}", file=sys.stderr)
    return 1 if found.failures else 0


def check_set_by_document(args: argparse.Namespace) -> None:
    """Raises SettingError for an option that a document sets itself."""
    for name, default in _SET_BY_DOCUMENT.items():
        if getattr(args, name) != default:
            option = (
                "a path"
                if name == "paths"
                else "--" + name.replace("_", "-").replace("settings", "set")
            )
            raise SettingError(f"{option} cannot be combined with --job; set it in the document")


def _job(args: argparse.Namespace) -> int:
    what: dict[str, Callable[[argparse.Namespace], int]] = {
        "schema": _schema, "check": _check, "export": _export,
    }  # fmt: skip
    return what[args.what](args)


def _schema(args: argparse.Namespace) -> int:
    from lab.jobs.document.schema import schema

    if args.names:
        raise SettingError(f"schema takes no names, got {args.names[0]!r}")
    print(json.dumps(schema(), indent=2))
    return 0


def _check(args: argparse.Namespace) -> int:
    from lab.jobs.document.read import read_job
    from lab.jobs.document.trust import effects_of

    if len(args.names) != 1:
        raise SettingError("name one document: lab job check FILE")
    job = read_job(args.names[0], expand=True)
    clips, refused = job.find()
    missing = [str(clip) for clip in clips if not clip.is_file()]
    report = {
        "analyses": [one.name for one in job.analyses],
        "clips": [str(c) for c in clips],
        "missing": missing,
        "refused": refused,
        "needs_trust": effects_of(job, store_given=args.store is not None),
    }
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        print(
            f"{args.names[0]}: {', '.join(report['analyses'])} over {counted(len(clips), 'clip')}"
        )
    for effect in report["needs_trust"]:
        print(f"lab: note: it needs --trust, since it would {effect}", file=sys.stderr)
    for path in missing:
        print(f"lab: no file at {path}", file=sys.stderr)
    for text in refused:
        print(f"lab: {text}", file=sys.stderr)
    return 1 if missing or refused else 0


def _export(args: argparse.Namespace) -> int:
    from lab.jobs.document.export import document_of, text_of
    from lab.runs.run import Run
    from lab.store.store import Store

    if not args.names:
        raise SettingError("name a run, or those of one pass: lab job export RUN")
    runs = Run.many(Store(args.store), args.names)
    rules = [_rule_of(args.rule, run) for run in runs] if args.rule else None
    print(text_of(document_of(runs, rules), "json" if args.json else args.format), end="")
    return 0


def _rule_of(name: str, run: Any) -> Any:
    """The rule `NAME: ANALYSIS`, which a document of several analyses saves, or `NAME`."""
    of_analysis = f"{name}: {run.analysis}"
    saved = {row["name"] for row in run.store.rules()}
    return named_rule(
        of_analysis if of_analysis in saved and name not in saved else name, run.store
    )


def add(command: Command) -> list[argparse.ArgumentParser]:
    j = command(
        "job",
        _job,
        "Documents of whole analyses: print their schema, check one, export one from runs.",
        "lab job check evening.yaml",
    )
    j.add_argument("what", choices=["schema", "check", "export"])
    j.add_argument(
        "names", nargs="*", metavar="FILE|RUN", help="the document to check; the runs to export"
    )
    j.add_argument(
        "--format", choices=["yaml", "json"], default="yaml", help="format of the exported document"
    )
    j.add_argument(
        "--rule",
        metavar="NAME|FILE",
        help="export: the rule to include (default: each run's default rule)",
    )
    return [j]
