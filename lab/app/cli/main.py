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
from lab.app.cli import advise, experiments, job, measure, media, models, phrases, prompts, records
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
    """Reports wrong usage in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"lab: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each sets `run_command`."""
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
    a.add_argument(
        "--labels",
        help="separated by commas; the prompts of yolo-world and yoloe (default: all labels)",
    )
    a.add_argument(
        "--prompt-mode",
        choices=["independent", "joint"],
        help="default: independent for up to 8 prompts",
    )
    a.add_argument("--embeddings", metavar="FILE.npz", help="text embeddings: `names` and `emb`")
    a.add_argument("--gate", choices=["motion"], help="skip frames on which nothing moves")
    a.add_argument("--every", type=float, default=0.2, metavar="SECONDS", help="0 for every frame")
    a.add_argument("--image-size", type=int, metavar="PX")
    a.add_argument("--score-floor", type=float)
    a.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        help="another setting of the detector; may be repeated",
    )
    a.add_argument(
        "--reuse",
        action="store_true",
        help="return a finished run of the same recipe, if there is one",
    )
    a.add_argument("--job", metavar="FILE", help="a whole analysis as one document; see lab job")
    a.add_argument("--resume", action="store_true", help="continue these runs")
    s = command("sightings", run_sightings, "The sightings that a rule finds in a run.",
                "lab sightings 20261121 --enter-threshold 0.5 --format csv")  # fmt: skip
    s.add_argument("run", metavar="RUN", help="a run id, or the beginning of one")
    s.add_argument("--format", choices=["table", "csv", "json"], default="table")
    s.add_argument("--save", action="store_true", help="save them in the store")
    add_rule_options(s)
    e = command("export", run_export, "Stored sightings, or effort, as CSV.",
                "lab export effort > effort.csv")  # fmt: skip
    e.add_argument("what", choices=["sightings", "effort"])
    e.add_argument("--format", default="csv", metavar="NAME",
                   help="csv, json, parquet, or one of a plugin; default: csv")  # fmt: skip
    groups = (measure, advise, records, media, experiments, prompts, phrases, job)
    grouped = [sub for group in groups for sub in group.add(command)]
    models.add(command)
    d = command("doctor", _doctor, "Versions, what can be decoded, detectors, store health.",
                "lab doctor")  # fmt: skip
    command("worker", _worker, "Run jobs read from standard input; used by the app.",
            "lab worker < jobs.jsonl")  # fmt: skip
    for sub in (a, s, e, d, *grouped):
        sub.add_argument(
            "--store", metavar="DIR", help="default: LAB_STORE, store in lab.toml, or ./lab_store"
        )
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Raises SystemExit on wrong usage, LabError with --debug."""
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
            f"stopped; continue with: lab analyze --resume {run_id}" if run_id else "stopped",
        )
    print("lab: " + " ".join(text.split()), file=sys.stderr)
    return code
