"""The command line. Progress on standard error, results on standard output.

Exit codes: 0 done, 1 failed, 2 wrong usage, 141 nobody reads on. Errors are one line; `--debug`
shows the traceback.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import lab
from lab.app.cli import (
    advise,
    annotate,
    apply,
    batch,
    camera,
    charts,
    clocks,
    deployments,
    events,
    experiments,
    feeds,
    job,
    jobs,
    logs,
    measure,
    media,
    models,
    phrases,
    prompts,
    records,
    retention,
    serve,
    sinks,
    token,
    watch,
    worker,
)
from lab.app.cli.analyze import add_analysis_options, run_analyze
from lab.app.cli.last_exit import end_at_once_with_threads
from lab.app.cli.rule_options import add_rule_options
from lab.app.cli.sightings import add_package_options, run_export, run_sightings
from lab.app.cli.stored_sightings import add_stored_options
from lab.errors import DamagedLogWarning, LabError, SettingError
from lab.private_files import keep_files_private

_PIPE_CLOSED = 141  # as of a program that the signal ends


def _doctor(args: argparse.Namespace) -> int:
    from lab.app.cli.doctor import examine, repair_and_examine

    report = repair_and_examine(args.store) if args.repair else examine(args.store)
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        for line in report.pop("repair", {}).get("done", []):
            print(f"repair: {line}")
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
    add_analysis_options(a)
    a.add_argument(
        "--reuse",
        action="store_true",
        help="return a finished run of the same recipe, if there is one",
    )
    a.add_argument("--resume", action="store_true", help="continue these runs")
    s = command("sightings", run_sightings,
                "The sightings that a rule finds in a run, or stored ones.",
                "lab sightings 20261121 --enter-threshold 0.5 --format csv\n"
                "         lab sightings --label fox --hours 20-6 --reviewed no")  # fmt: skip
    s.add_argument(
        "run",
        metavar="RUN",
        nargs="?",
        help="a run id, or the beginning of one; without it, stored sightings",
    )
    s.add_argument("--format", choices=["table", "csv", "json"], default="table")
    s.add_argument("--save", action="store_true", help="save them in the store")
    s.add_argument("--current", action="store_true",
                   help="start from the rule that was applied to all clips of the run's protocol "
                   "(default: the detector's default rule)")  # fmt: skip
    add_rule_options(s)
    add_stored_options(s)
    e = command("export", run_export, "Stored sightings, or effort, as CSV; or all as Camtrap DP.",
                "lab export effort > effort.csv")  # fmt: skip
    e.add_argument("what", choices=["sightings", "effort", "camtrap-dp"])
    e.add_argument("--format", default="csv", metavar="NAME",
                   help="csv, json, parquet, or one of a plugin; default: csv")  # fmt: skip
    e.add_argument("--rules", choices=["current", "all"], default="current",
                   help="sightings: those of the rules that were applied to all clips of a "
                   "protocol, and all where none was; or those of all rules that were saved; "
                   "default: current")  # fmt: skip
    e.add_argument("--by", choices=["run", "deployment"], default="run",
                    help="effort: a row a run, or a deployment with its camera-days, failures "
                    "taken out; default: run")  # fmt: skip
    add_package_options(e)
    groups = (
        batch,
        jobs,
        logs,
        annotate,
        apply,
        measure,
        advise,
        records,
        retention,
        media,
        deployments,
        clocks,
        events,
        charts,
        experiments,
        prompts,
        phrases,
        job,
        watch,
        feeds,
        sinks,
        token,
        camera,
        serve,
    )
    grouped = [sub for group in groups for sub in group.add(command)]
    models.add(command)
    d = command("doctor", _doctor, "Versions, what can be decoded, detectors, store health.",
                "lab doctor")  # fmt: skip
    d.add_argument("--repair", action="store_true",
                   help="restore a damaged catalog, and find its runs again")  # fmt: skip
    worker.add(command)
    for sub in (a, s, e, d, *grouped):
        sub.add_argument(
            "--store", metavar="DIR", help="default: LAB_STORE, store in lab.toml, or ./lab_store"
        )
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


@contextmanager
def _damage_on_standard_error() -> Iterator[list[str]]:
    """Say in a line which runs are damaged; gives these lines."""
    told: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", DamagedLogWarning)
        otherwise = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, DamagedLogWarning):
                otherwise(message, category, *place, **more)
            elif (text := str(message)) not in told:
                told.append(text)
                print(f"lab: {text}", file=sys.stderr)

        warnings.showwarning = show
        yield told


def _escape_names() -> None:
    """A file name that is not UTF-8 is printed escaped, rather than not at all."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() == "utf-8":
            stream.reconfigure(errors="backslashreplace")


def _print_nowhere() -> None:
    """So that what is still to be written when the process ends fails in silence."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Raises SystemExit on wrong usage, LabError with --debug."""
    args = build_parser().parse_args(argv)
    _escape_names()
    keep_files_private()
    try:
        with _damage_on_standard_error() as damaged:
            code = int(args.run_command(args))
            sys.stdout.flush()
        return code or (1 if damaged else 0)
    except BrokenPipeError:  # whoever reads has read enough, such as `head`
        _print_nowhere()
        return _PIPE_CLOSED
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
    except ImportError as error:
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        code, text = 1, "stopped"  # while an extension was loaded
    print("lab: " + " ".join(text.split()), file=sys.stderr)
    return code


def run() -> int:
    """`main`, as the last thing that a process does."""
    code = end_at_once_with_threads(main)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # another Ctrl+C would only break off the end
    return code
