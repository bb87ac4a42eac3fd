"""The command line. Progress on standard error, results on standard output.

Exit codes: 0 done, 1 failed, 2 wrong usage. Errors are one line; `--debug` shows the traceback.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import lab
from lab.commands import advise, asking, job, measure, models, notebook, phrases, records
from lab.commands.rules import add_rule_options, note_unfinished, rule_of, split
from lab.errors import LabError, SettingError


def _analyze(args: argparse.Namespace) -> int:
    if args.job is not None:
        return job.analyze_job(args)
    if not args.paths:
        what = "a run id: lab runs lists them" if args.resume else "a file or a folder, or a document with --job"
        raise SettingError(f"name {what}")
    from lab.analysis import analyze, find_clips, make_detector, resume
    from lab.store.store import Store

    store = Store(args.store)
    bar = sys.stderr.isatty()
    if args.resume:
        done = [resume(store, run_id, progress=bar).summary() for run_id in args.paths]
        return _print_runs(args, done, [])
    clips = find_clips(args.paths)
    settings = {
        name: value
        for name, value in {
            "weights": args.weights,
            "runtime": args.runtime,
            "image_size": args.image_size,
            "score_floor": args.score_floor,
            "labels": split(args.labels),
        }.items()
        if value is not None
    } | dict(map(_setting, args.settings))
    if args.prompt_mode is not None:
        settings["prompt_mode"] = args.prompt_mode
    if args.embeddings is not None:
        settings["embeddings"] = args.embeddings
    detector = make_detector(args.detector, store=store, **settings)
    done, failed = [], []
    for clip in clips:
        try:
            run = analyze(
                clip,
                detector=detector,
                every_s=args.every,
                gate=args.gate,
                store=store,
                progress=bar,
                reuse=args.reuse,
            )
            done.append(run.summary())
        except LabError as error:
            if len(clips) == 1 or isinstance(error, SettingError):
                raise
            failed.append(str(error))
    return _print_runs(args, done, failed)


def _setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE, a value that is JSON as such and any other as text."""
    name, given, value = text.partition("=")
    if not given or not name.isidentifier() or name == "name":
        raise SettingError(f"--set needs NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _print_runs(args: argparse.Namespace, done: list[dict[str, Any]], failed: list[str]) -> int:
    if args.json:
        print(json.dumps(done[0] if len(done) == 1 and not failed else done, indent=1))
    else:
        for row in done:
            print(
                f"{row['run_id']}  {row['media']}: {row['samples']} samples, {row['failed']} failed, "
                f"{row['analysed_s']:.1f} s of media in {row['elapsed_s']:.1f} s"
            )
            if row["warning"]:
                print(f"lab: note: {row['media']}: {row['warning']}", file=sys.stderr)
            if row["samples"] and row["gated"] == row["samples"]:
                print(f"lab: note: {row['media']}: nothing was looked at, all {row['samples']} samples were held back (a warm-up longer than the clip?)", file=sys.stderr)
    for text in failed:
        print(f"lab: {text}", file=sys.stderr)
    return 1 if failed else 0


def _sightings(args: argparse.Namespace) -> int:
    from lab.exports.tables import to_csv
    from lab.run import SIGHTING_COLUMNS, Run
    from lab.store.store import Store

    run = Run(Store(args.store), args.run)
    rule = rule_of(args, run)
    rows = [sighting.to_dict() for sighting in run.find(rule)]
    if args.save:
        run.save_sightings(rule, args.rule)
    output = "json" if args.json else args.format
    if output == "json":
        print(json.dumps(rows, indent=1))
    elif output == "csv":
        print(to_csv(rows, SIGHTING_COLUMNS), end="")
    else:
        _print_table(rows)
    for part in run.log.damaged:
        print(f"lab: note: damaged part left out: {part}", file=sys.stderr)
    note_unfinished(run)
    return 0


def _print_table(rows: list[dict[str, Any]]) -> None:
    print(f"{'label':<20} {'onset_s':>10} {'offset_s':>10} {'duration_s':>10} {'peak':>6} alert_s")
    for row in rows:
        alert = "silenced" if row["alert_s"] is None else f"{row['alert_s']:.2f}"
        print(
            f"{row['label']:<20} {row['onset_s']:>10.2f} {row['offset_s']:>10.2f} "
            f"{row['duration_s']:>10.2f} {row['peak_confidence']:>6.2f} {alert}"
        )
    print(f"{len(rows)} sighting{'' if len(rows) == 1 else 's'}", file=sys.stderr)


def _export(args: argparse.Namespace) -> int:
    from lab.exports.tables import (
        EFFORT_COLUMNS,
        SIGHTING_COLUMNS,
        effort_rows,
        sighting_rows,
        to_csv,
    )
    from lab.store.store import Store

    store = Store(args.store)
    if args.what == "effort":
        rows, columns = effort_rows(store), EFFORT_COLUMNS
    else:
        rows, columns = sighting_rows(store), SIGHTING_COLUMNS
    print(json.dumps(rows, indent=1, default=str) if args.json else to_csv(rows, columns), end="")
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from lab.doctor import examine

    report = examine(args.store)
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        for section, rows in report.items():
            print(f"{section}:")
            for name, value in rows.items():
                print(f"  {name}: {value}")
    return 1 if report["store"].get("problems") else 0


def _worker(args: argparse.Namespace) -> int:
    from lab.engines.worker import serve

    return serve()


class _Parser(argparse.ArgumentParser):
    """Wrong usage is one line, too."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"lab: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lab", description="Detect once, decide later: when was X there?"
    )
    parser.add_argument("--version", action="version", version=f"lab {lab.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str, example: str) -> Any:
        sub = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        sub.set_defaults(run_command=run)
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return sub

    a = command("analyze", _analyze, "Run a detector over clips and folders, once.",
                "lab analyze clip.mp4 --labels person,car --every 0.2 --json")  # fmt: skip
    a.add_argument("paths", nargs="*", metavar="PATH", help="files and folders; run ids with --resume")
    a.add_argument("--detector", default="yolo")
    a.add_argument("--weights", metavar="PATH|NAME")
    a.add_argument("--runtime", choices=["onnx", "openvino", "torch"])
    a.add_argument("--labels", help="separated by commas; for yolo-world and yoloe the prompts; "
                   "others look for all that they know unless it is given")  # fmt: skip
    a.add_argument("--prompt-mode", choices=["independent", "joint"], help="independent up to 8 prompts")
    a.add_argument("--embeddings", metavar="FILE.npz", help="text embeddings: names and emb")
    a.add_argument("--gate", choices=["motion"], help="hold back frames on which nothing moves")
    a.add_argument("--every", type=float, default=0.2, metavar="SECONDS", help="0 for every frame")
    a.add_argument("--image-size", type=int, metavar="PX")
    a.add_argument("--score-floor", type=float)
    a.add_argument("--set", action="append", default=[], dest="settings", metavar="NAME=VALUE",
                   help="a further setting of the detector; may be repeated")  # fmt: skip
    a.add_argument("--reuse", action="store_true", help="give a finished run of the same recipe")
    a.add_argument("--job", metavar="FILE", help="all that a document says; see lab job")
    a.add_argument("--resume", action="store_true", help="go on with these runs")
    s = command("sightings", _sightings, "The sightings that a rule finds in a run.",
                "lab sightings 20261121 --enter-threshold 0.5 --format csv")  # fmt: skip
    s.add_argument("run", metavar="RUN", help="a run id, or the beginning of one")
    s.add_argument("--format", choices=["table", "csv", "json"], default="table")
    s.add_argument("--save", action="store_true", help="keep them in the store")
    add_rule_options(s)
    e = command("export", _export, "Stored sightings, or effort, as CSV.",
                "lab export effort > effort.csv")  # fmt: skip
    e.add_argument("what", choices=["sightings", "effort"])
    groups = (measure, advise, records, notebook, asking, phrases, job)
    measured = [sub for group in groups for sub in group.add(command)]
    models.add(command)
    d = command("doctor", _doctor, "Versions, what can be decoded, detectors, store health.",
                "lab doctor")  # fmt: skip
    command("worker", _worker, "Do jobs read from standard input; used by the app.",
            "lab worker < jobs.jsonl")  # fmt: skip
    for sub in (a, s, e, d, *measured):
        sub.add_argument("--store", metavar="DIR", help="default: LAB_STORE, or ./lab_store")
        sub.add_argument("--json", action="store_true", help="a result for programs")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    try:
        return int(args.run_command(args))
    except LabError as error:
        if args.debug:
            raise
        code, text = 2 if isinstance(error, SettingError) else 1, str(error)
    except KeyboardInterrupt as stopped:
        run_id = stopped.args[0] if stopped.args else None
        code, text = 1, f"stopped; go on with: lab analyze --resume {run_id}" if run_id else "stopped"
    print("lab: " + " ".join(text.split()), file=sys.stderr)
    return code
