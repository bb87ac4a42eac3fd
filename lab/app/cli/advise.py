"""`calibrate`, `queue`, `audit`, `thin`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from lab.app.cli.measure import (
    add_protocol_option,
    asked_runs,
    print_notes,
    truth_options,
)
from lab.app.cli.rule_options import add_rule_options, rule_of
from lab.errors import SettingError
from lab.formats.csv import to_csv

Command = Callable[..., argparse.ArgumentParser]


def _inputs(args: argparse.Namespace, **options: Any) -> tuple[list[Any], Any, Any, str]:
    """Runs, truth, rule and label that the options select. Raises LabError."""
    from lab.evaluation.evaluate import check_poolable
    from lab.evaluation.truth import Truth
    from lab.tuning.sweep import the_label

    runs = check_poolable(asked_runs(args))
    truth = Truth.coerce(args.labels, runs, args.coverage, annotator=args.annotator, **options)
    rule = rule_of(args, runs[0])
    label, notes = the_label(runs, truth, rule, args.label)
    args.notes = (*truth.notes, *notes)
    return runs, truth, rule, label


def _calibrate(args: argparse.Namespace) -> int:
    from lab.tuning.calibration import calibrate
    from lab.tuning.footage import footage_of

    runs, truth, _, label = _inputs(args)
    found = calibrate(footage_of(runs, truth, label), label)
    print_notes(args.notes)
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
        return 0
    for level, threshold in found.thresholds.items():
        print(f"p >= {level:g} from score {'never' if threshold is None else f'{threshold:.3f}'}")
    print_notes([found.warning] if found.warning else [])
    return 0


def _queue(args: argparse.Namespace) -> int:
    from lab.tuning.footage import footage_of
    from lab.tuning.queue import committee, questions
    from lab.tuning.rule_grid import RuleGrid
    from lab.tuning.sweep import sweep_footage

    runs, truth, rule, label = _inputs(args, include_queue=True)
    footage, floor = footage_of(runs, truth, label), float(runs[0].recipe["score_floor"])
    swept = (
        sweep_footage(footage, label, RuleGrid(), floor=floor, base=rule.of(label))
        if any(f.covered_us for f in footage)
        else None
    )
    found = questions(footage, label, committee(swept, rule.of(label), floor), most=args.most)
    print_notes(args.notes)
    if args.json:
        print(json.dumps([q.to_dict() for q in found], indent=1))
        return 0
    for q in found:
        print(
            f"{q.priority:5.2f}  {q.name} {q.start_us / 1e6:.2f}-{q.end_us / 1e6:.2f} s: {q.text}"
        )
    return 0


def _audit(args: argparse.Namespace) -> int:
    from lab.tuning.audit import Audit, audit_figures, new_audit

    runs, truth, rule, label = _inputs(args)
    store = runs[0].store
    audits = [
        a
        for a in map(Audit.from_dict, store.audits())
        if a.label == label and a.protocol_hash == runs[0].protocol_hash
    ]
    if args.draw is not None:
        audit = new_audit(runs, truth, rule, label, args.draw, args.seed)
        store.add_audit(audit.to_dict())
    elif audits:
        audit = audits[0]
    else:
        raise SettingError(f"no audit of {label!r} with this protocol; draw one with --draw 12")
    by_media = {run.media["media_id"]: run for run in runs}
    drawn = [by_media[m] for m in audit.drawn if m in by_media]
    figures = audit_figures(truth, audit, drawn)
    row = {"audit": audit.to_dict(), "figures": figures, "clips": [r.media["path"] for r in drawn]}
    print_notes(args.notes)
    if args.json:
        print(json.dumps(row, indent=1))
        return 0
    print(
        f"audit {audit.audit_id} of rule {audit.rule_hash}: "
        f"{figures['watched']} of {figures['drawn']} clips watched"
    )
    for name in ("precision", "recall", "false_per_hour"):
        limits = figures[f"{name}_interval"]
        value = "not available yet" if figures[name] is None else f"{figures[name]:.3f}"
        print(f"  {name}: {value}" + (f"  [{limits[0]:.3f}, {limits[1]:.3f}]" if limits else ""))
    for run in drawn:
        print(f"  {run.media['path']}")
    return 0


def _thin(args: argparse.Namespace) -> int:
    from lab.tuning.thinning import thin

    runs, truth, rule, label = _inputs(args)
    rows = thin(runs, truth, rule, label=label)
    print_notes(args.notes)
    print(
        json.dumps(rows, indent=1)
        if args.json
        else to_csv(rows, [name for name in rows[0] if name != "refused"]),
        end="\n" if args.json else "",
    )
    return 0


def add(command: Command) -> list[argparse.ArgumentParser]:
    """Add the commands of this subject; return those that take a store."""
    c = command("calibrate", _calibrate, "Map scores to the probability that the label is present.",
                "lab calibrate RUN --labels truth.csv")  # fmt: skip
    q = command("queue", _queue, "What to annotate next.", "lab queue RUN --most 10")
    q.add_argument("--most", type=int, default=20)
    a = command("audit", _audit, "Freeze a rule, draw unannotated clips at random, report on them.",
                "lab audit RUN... --rule strict --draw 12 --seed 1")  # fmt: skip
    a.add_argument(
        "--draw",
        type=int,
        metavar="CLIPS",
        help="draw a new sample (default: report on the newest audit)",
    )
    a.add_argument("--seed", type=int, default=0)
    t = command(
        "thin",
        _thin,
        "What sampling less often would have cost.",
        "lab thin RUN --labels truth.csv",
    )
    for sub in (c, q, a, t):
        sub.add_argument(
            "runs", nargs="*", metavar="RUN", help="runs of one protocol, each of a different clip"
        )
        add_protocol_option(sub)
        sub.add_argument("--label", help="the label; needed if there are several")
        truth_options(sub)
        add_rule_options(sub)
    return [c, q, a, t]
