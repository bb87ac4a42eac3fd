"""`phrases`: prompts for the same thing, compared on the same samples of one run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from lab.app.cli.measure import matching_of, runs_of, say_notes, truth_options
from lab.app.cli.rule_options import add_rule_options, rule_of, split
from lab.errors import SettingError
from lab.formats.csv import to_csv

Command = Callable[..., argparse.ArgumentParser]


def _phrases(args: argparse.Namespace) -> int:
    from lab.evaluation.phrasing import compare_phrases

    if args.only:
        raise SettingError(
            f"--only has no meaning here: the phrases are named, got {args.phrases!r}"
        )
    if args.coverage and not args.labels:
        raise SettingError("--coverage belongs to a truth file; name it with --labels")
    (run,) = runs_of(args, [args.run])
    found = compare_phrases(
        run, split(args.phrases) or [], rule_of(args, run), args.labels, args.label,
        coverage=args.coverage, annotator=args.annotator, matching=matching_of(args),
    )  # fmt: skip
    if args.json:
        print(json.dumps(found.to_dict(), ensure_ascii=False, indent=1))
    elif args.csv:
        rows = found.flat_rows()
        print(to_csv(rows, list(rows[0])), end="")
    else:
        _print(found)
    say_notes(found.notes)
    return 0


def _print(found: Any) -> None:
    names = [
        "peak_score",
        "peak_s",
        "sightings",
        "presence_s",
        "share_over",
        "mean_inside",
        "mean_outside",
        "auc",
        "precision",
        "recall",
        "f1",
    ]
    shown = names if found.truth else names[:5]
    print(f"{'phrase':<28}" + "".join(f"{name:>13}" for name in shown))
    for row in found.rows:
        print(f"{row['phrase']:<28}" + "".join(f"{_text(row[name]):>13}" for name in shown))
    for d in found.disagreements:
        scores = ", ".join(f"{phrase} {score:.2f}" for phrase, score in d.scores.items())
        print(f"{d.pts_s:.2f} s: {d.spread:.2f} apart: {scores}")


def _text(value: float | int | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


def add(command: Command) -> list[argparse.ArgumentParser]:
    p = command("phrases", _phrases, "Phrases for one thing, compared on the same samples of a run.",
                'lab phrases 20261121 "otter,sea otter" --labels truth.csv --label otter --json')  # fmt: skip
    p.add_argument("run", metavar="RUN", help="a run id, or the beginning of one")
    p.add_argument(
        "phrases", metavar="PHRASES", help="two or more of its labels, separated by commas"
    )
    p.add_argument("--label", help="whose annotations count for every phrase")
    p.add_argument("--csv", action="store_true", help="the table, one phrase a row")
    truth_options(p)
    add_rule_options(p)
    return [p]
