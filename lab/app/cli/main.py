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
from lab.app.cli import advise, job, measure, media, models, phrases, records
from lab.app.cli import experiments as notebook
from lab.app.cli import prompts as asking
from lab.app.cli.analyze import run_analyze
from lab.app.cli.rule_options import add_rule_options
from lab.app.cli.sightings import run_export, run_sightings
from lab.errors import LabError, SettingError


def _doctor(args: argparse.Namespace) -> int:
    from lab.app.cli.doctor import examine

    report = examine(args.store)
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        for section, rows in report.items():
            print(f"{section}:")
            for name, value in rows.items():
                print(f"  {name}: {_in_words(value)}")
    return 1 if report["store"].get("problems") else 0


def _in_words(value: Any) -> str:
    if isinstance(value, dict):  # a setting
        return f"{_in_words(value['value'])} (from: {value['origin']})"
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _worker(args: argparse.Namespace) -> int:
    from lab.jobs.worker import serve

    return serve()


class _Parser(argparse.ArgumentParser):
    """Wrong usage is one line, too."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"lab: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="lab", description="Detect once, decide later: when was X there?")
    parser.add_argument("--version", action="version", version=f"lab {lab.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str, example: str
    ) -> Any:
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

    a = command("analyze", run_analyze, "Run a detector over clips and folders, once.",
                "lab analyze clip.mp4 --labels person,car --every 0.2 --json")  # fmt: skip
    a.add_argument(
        "paths", nargs="*", metavar="PATH", help="files and folders; run ids with --resume"
    )
    a.add_argument("--detector", default="yolo")
    a.add_argument("--weights", metavar="PATH|NAME")
    a.add_argument("--runtime", choices=["onnx", "openvino", "torch"])
    a.add_argument("--labels", help="separated by commas; for yolo-world and yoloe the prompts; "
                   "others look for all that they know unless it is given")  # fmt: skip
    a.add_argument(
        "--prompt-mode", choices=["independent", "joint"], help="independent up to 8 prompts"
    )
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
    s = command("sightings", run_sightings, "The sightings that a rule finds in a run.",
                "lab sightings 20261121 --enter-threshold 0.5 --format csv")  # fmt: skip
    s.add_argument("run", metavar="RUN", help="a run id, or the beginning of one")
    s.add_argument("--format", choices=["table", "csv", "json"], default="table")
    s.add_argument("--save", action="store_true", help="keep them in the store")
    add_rule_options(s)
    e = command("export", run_export, "Stored sightings, or effort, as CSV.",
                "lab export effort > effort.csv")  # fmt: skip
    e.add_argument("what", choices=["sightings", "effort"])
    e.add_argument("--format", default="csv", metavar="NAME",
                   help="csv, json, or one of a plugin; default: csv")  # fmt: skip
    groups = (measure, advise, records, media, notebook, asking, phrases, job)
    measured = [sub for group in groups for sub in group.add(command)]
    models.add(command)
    d = command("doctor", _doctor, "Versions, what can be decoded, detectors, store health.",
                "lab doctor")  # fmt: skip
    command("worker", _worker, "Do jobs read from standard input; used by the app.",
            "lab worker < jobs.jsonl")  # fmt: skip
    for sub in (a, s, e, d, *measured):
        sub.add_argument(
            "--store", metavar="DIR", help="default: LAB_STORE, store in lab.toml, or ./lab_store"
        )
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
        code, text = (
            1,
            f"stopped; go on with: lab analyze --resume {run_id}" if run_id else "stopped",
        )
    print("lab: " + " ".join(text.split()), file=sys.stderr)
    return code
