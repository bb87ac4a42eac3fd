"""The command `analyze`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.app.cli import job
from lab.app.cli.rule_options import split
from lab.errors import LabError, SettingError, printable
from lab.runs.find_clips import find_clips
from lab.video.registered import is_address

if TYPE_CHECKING:
    from lab.store.store import Store


def run_analyze(args: argparse.Namespace) -> int:
    """`lab analyze`: exit code 1 if a clip failed. Raises LabError."""
    if args.job is not None:
        return job.analyze_job(args)
    if args.trust:
        raise SettingError("--trust goes with --job; options of your own need none")
    if not args.paths:
        what = (
            "a run id: lab runs lists them"
            if args.resume
            else "a file or a folder, or a document with --job"
        )
        raise SettingError(f"name {what}")
    from lab.runs.analyze import Analysis
    from lab.runs.analyze_each import analyze_each
    from lab.runs.make_detector import make_detector
    from lab.store.store import Store

    store = Store(args.store)
    bar = sys.stderr.isatty()
    if args.resume:
        resumed = _resumed(store, args.paths, bar)
        return _each(args, resumed, [], is_only=len(args.paths) == 1)
    addresses = [place for place in args.paths if is_address(place)]
    files, refused = find_clips(place for place in args.paths if not is_address(place))
    clips: list[str | Path] = [*files, *addresses]
    if not clips:
        return _print_runs(args, [], refused)
    settings = detector_settings_of(args)
    detector = make_detector(args.detector, store=store, **settings)
    one = Analysis(detector=detector, interval_s=args.every, gate=args.gate)
    with closing(analyze_each(clips, one, store=store, progress=bar, reuse=args.reuse)) as each:
        return _each(args, each, refused, is_only=len(clips) + len(refused) == 1)


def _resumed(
    store: Store, run_ids: Sequence[str], bar: bool
) -> Generator[tuple[str, dict[str, Any] | LabError]]:
    from lab.runs.resume import resume

    for run_id in run_ids:
        try:
            yield run_id, resume(store, run_id, progress=bar).summary()
        except LabError as error:
            yield run_id, error


def _each(
    args: argparse.Namespace,
    each: Iterable[tuple[str | Path, dict[str, Any] | LabError]],
    refused: list[str],
    *,
    is_only: bool,
) -> int:
    """The runs of all places, printed at the end, also of those before an error that ends it.

    refused: lines about what is no clip. One that fails among several is named, and the others go
    on; a wrong setting would fail for all.
    """
    done: list[dict[str, Any]] = []
    failed = list(refused)
    try:
        for _, found in each:
            if not isinstance(found, LabError):
                done.append(found)
            elif is_only or isinstance(found, SettingError):
                raise found
            else:
                failed.append(str(found))
    except BaseException:
        if done or failed:
            _print_runs(args, done, failed)
        raise
    return _print_runs(args, done, failed)


def detector_settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of a detector that the options name. Raises SettingError."""
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
    return settings


def add_analysis_options(a: argparse.ArgumentParser) -> None:
    """Add what `analyze` and `batch` have in common."""
    add_detector_options(a)
    a.add_argument("--gate", choices=["motion"], help="skip frames on which nothing moves")
    a.add_argument("--every", type=float, default=0.2, metavar="SECONDS", help="0 for every frame")
    a.add_argument("--job", metavar="FILE", help="a whole analysis as one document; see lab job")
    a.add_argument(
        "--trust",
        action="store_true",
        help="with --job: let the document run code that is not the lab's, send pictures to an "
        "address, and write outside of its folder",
    )


def add_detector_options(a: argparse.ArgumentParser) -> None:
    """Add those that `detector_settings_of` reads, and `--detector`."""
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


def _setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE: a value that is valid JSON is parsed, any other is kept as text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier() or name == "name":
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
                f"{row['run_id']}  {printable(row['media'])}: {row['samples']} samples, "
                f"{row['failed']} failed, "
                f"{row['analysed_s']:.1f} s of media in {row['elapsed_s']:.1f} s"
            )
            if row["warning"]:
                print(f"lab: note: {row['media']}: {row['warning']}", file=sys.stderr)
            if row["samples"] and row["gated"] == row["samples"]:
                print(
                    f"lab: note: {row['media']}: nothing was analysed, all {row['samples']} "
                    "samples were gated (is the warm-up longer than the clip?)",
                    file=sys.stderr,
                )
    for text in failed:
        print(f"lab: {' '.join(text.split())}", file=sys.stderr)
    return 1 if failed else 0
