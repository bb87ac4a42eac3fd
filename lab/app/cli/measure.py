"""`evaluate`, `sweep`, `recommend`, `compare`, `decisions`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from lab.app.cli.rule_options import add_rule_options, has_rule_options, named_rule, rule_of, split
from lab.counted import counted
from lab.errors import SettingError
from lab.formats.csv import to_csv
from lab.rules.rule import rule_parameters

Command = Callable[..., argparse.ArgumentParser]


def runs_of(args: argparse.Namespace, ids: list[str]) -> list[Any]:
    """Runs of the store by id."""
    from lab.runs.run import Run
    from lab.store.store import Store

    return Run.many(Store(args.store), ids)


def asked_runs(args: argparse.Namespace) -> list[Any]:
    """The runs that are named, or the newest finished run of each clip of a protocol.

    Raises SettingError if neither or both are given.
    """
    from lab.runs.apply import protocol_named
    from lab.store.store import Store

    if bool(args.runs) == bool(args.protocol):
        raise SettingError("name runs, or --protocol HASH for all clips of a protocol")
    if args.runs:
        return runs_of(args, args.runs)
    store = Store(args.store)
    found = protocol_named(store, args.protocol)
    rows = store.runs(protocol_hash=found, state="done", order="oldest")
    newest = {row["media_id"]: row["run_id"] for row in rows}
    if not newest:
        raise SettingError(f"protocol {found} has no finished run")
    return runs_of(args, list(newest.values()))


def matching_of(args: argparse.Namespace) -> Any:
    from lab.evaluation.matching import Matching

    return Matching(
        criterion="collar" if args.collar is not None else "tiou",
        tiou=args.tiou,
        collar_s=0.2 if args.collar is None else args.collar,
        edges=args.edges,
    )


def _evaluate(args: argparse.Namespace) -> int:
    from lab.evaluation.evaluate import evaluate

    runs = asked_runs(args)
    found = evaluate(
        runs, args.labels, rule_of(args, runs[0]), coverage=args.coverage,
        matching=matching_of(args), annotator=args.annotator,
        progress=_bar(args, "score")("evaluate"),
    )  # fmt: skip
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
        return 0
    for label, figures in [*found.labels.items(), ("all labels", found.overall)]:
        c = figures.counts
        print(
            f"{label}: {c.tp} found, {c.fp} false, {c.fn} missed, {figures.covered_s:.1f} s watched"
        )
        for name in ("precision", "recall", "f1", "false_per_hour"):
            print(f"  {name:<15} {_with_interval(figures, name)}")
        if c.below_resolution:
            print(f"  {c.below_resolution} shorter than the sampling interval, not counted")
    for moment in found.moments:
        name = found.names[moment.media_id]
        print(
            f"{moment.kind:<17} {name} {moment.label} "
            f"{moment.start_us / 1e6:.2f}-{moment.end_us / 1e6:.2f} s: {moment.text}"
        )
    print_notes(found.notes)
    return 0


def _with_interval(figures: Any, name: str) -> str:
    value, interval = getattr(figures, name), getattr(figures, f"{name}_interval")
    if value is None:
        return f"not available: {figures.refused.get(name, 'nothing to divide by')}"
    return f"{value:.3f}" + (
        "" if interval is None else f"  [{interval[0]:.3f}, {interval[1]:.3f}]"
    )


def print_notes(notes: Any) -> None:
    """Print notes on standard error, apart from the result."""
    for note in notes:
        print(f"lab: note: {note}", file=sys.stderr)


def _sweeps(args: argparse.Namespace) -> dict[str, Any]:
    """A sweep for each label of `--label`, or for each that runs and truth share."""
    from lab.evaluation.evaluate import check_poolable, shared_labels
    from lab.evaluation.truth import Truth
    from lab.tuning.rule_grid import RuleGrid
    from lab.tuning.sweep import sweep

    runs = check_poolable(asked_runs(args))
    grid_values: dict[str, Any] = {
        name: _numbers(value)
        for name, value in vars(args).items()
        if name.startswith("grid_") and value
    }
    grid = RuleGrid(
        **{name.removeprefix("grid_"): value for name, value in grid_values.items()},
        thresholds=args.thresholds,
    )
    truth = Truth.coerce(args.labels, runs, args.coverage, annotator=args.annotator)
    base = rule_of(args, runs[0])
    labels, notes = shared_labels(runs, truth, base, split(args.label))
    print_notes((*truth.notes, *notes))
    bar = _bar(args)
    return {
        label: sweep(
            runs,
            truth,
            label=label,
            grid=grid,
            base=base,
            matching=matching_of(args),
            progress=bar(label),
        )
        for label in labels
    }


def _numbers(text: str) -> list[float]:
    try:
        return [float(v) for v in text.split(",")]
    except ValueError:
        raise SettingError(
            f"expected numbers separated by commas, such as 0.2,0.4; got {text!r}"
        ) from None


def _bar(args: argparse.Namespace, unit: str = "clip") -> Callable[[str], Any]:
    if not sys.stderr.isatty():
        return lambda label: None
    from tqdm.auto import tqdm

    def begin(label: str) -> Any:
        bar = tqdm(desc=label, unit=unit)

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return report

    return begin


def _sweep(args: argparse.Namespace) -> int:
    found = _sweeps(args)
    if args.csv:
        import pandas as pd

        frames = [s.to_frame().assign(label=label) for label, s in found.items()]
        print(pd.concat(frames).to_csv(index=False), end="")
    elif args.json:
        print(json.dumps({"labels": {label: s.to_dict() for label, s in found.items()}}, indent=1))
    else:
        for label, s in found.items():
            clips = counted(len(s.names), "clip")
            print(f"{label}: {len(s)} rules over {clips}; the Pareto front:")
            for i in s.pareto().tolist():
                _print_rule(s.row(i))
    return 0


def _print_rule(row: dict[str, Any]) -> None:
    print(
        f"  recall {row['recall']:.3f}  false/h {row['false_per_hour']:8.2f}  f1 {row['f1']:.3f}  "
        f"enter {row['enter_threshold']:.3f} x{row['enter_frames']:.0f}  "
        f"exit x{row['exit_frames']:.0f}  merge {row['merge_gap_s']:g} s  at least "
        f"{row['min_duration_s']:g} s"
    )


def _recommend(args: argparse.Namespace) -> int:
    from lab.tuning.choice import Goal
    from lab.tuning.recommend import recommend

    if args.recall is not None:
        goal = Goal(kind="recall", least_recall=args.recall)
    elif args.false_per_hour is not None:
        goal = Goal(kind="false", most_false_per_hour=args.false_per_hour)
    else:
        goal = Goal()
    swept = _sweeps(args)
    advice = {label: recommend(s, goal, seed=args.seed) for label, s in swept.items()}
    found = {label: made.to_dict() for label, made in advice.items()}
    if args.json:
        print(json.dumps({"labels": found}, indent=1))
        return 0
    for label, row in found.items():
        print(f"{label}: {row['goal']}")
        print(f"  {row['verdict']}")
        for name, value in row["rule"]["default"]["debounce"].items():
            print(f"  {name}: {value}")
        plateau = advice[label].plateau
        if plateau is not None:
            print(f"  as good with every enter_threshold around it: {plateau.text()}")
        # Those of the search say nothing of a rule that it did not choose.
        held_out = None if row["kept"] else row["held_out"]
        what = (
            f"held out by {row['held_out_by']}"
            if held_out
            else "your rule on this footage"
            if row["kept"]
            else "on the footage it was chosen on"
        )
        figures = held_out or row["fitted"]
        for name in ("precision", "recall", "f1", "false_per_hour"):
            value = figures[name]
            limits = held_out[f"{name}_interval"] if held_out else None
            text = f"not available: {figures['refused'][name]}" if value is None else f"{value:.3f}"
            print(
                f"  {name} ({what}): {text}"
                + (f"  [{limits[0]:.3f}, {limits[1]:.3f}]" if limits else "")
            )
        print_notes(n for n in row["notes"] if n not in swept[label].notes)
    return 0


def _compare(args: argparse.Namespace) -> int:
    from lab.evaluation.comparison import compare

    a, b = runs_of(args, split(args.a) or []), runs_of(args, split(args.b) or [])
    rule = rule_of(args, a[0])
    found = compare(
        a,
        b,
        rule_a=rule if has_rule_options(args) else None,
        rule_b=_other_rule(args, b[0]),
        label=args.label,
        label_b=args.label_b,
        truth=args.labels,
        coverage=args.coverage,
        matching=matching_of(args),
        annotator=args.annotator,
    )
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
        print_notes(found.notes)
        return 0
    agree = found.agreement
    print(f"sightings: {found.sightings['a']} and {found.sightings['b']}")
    print(
        f"same on {agree['same']:.1%} of {agree['seconds']} s"
        if agree["seconds"]
        else "no second in common"
    )
    if found.f1:
        print(
            f"F1 {found.f1['a']} and {found.f1['b']}, "
            f"gain {found.f1['gain']:+.3f} {found.f1['gain_interval'] or ''}"
        )
    for row in found.to_dict()["differences"]:
        print(
            f"{row['kind']:<8} {row['media']} "
            f"{row['start_s']:.2f}-{row['end_s']:.2f} s: {row['text']}"
        )
    print_notes(found.notes)
    return 0


def _other_rule(args: argparse.Namespace, run: Any) -> Any:
    if args.rule_b is None:
        return None
    return named_rule(args.rule_b, run.store)


def _decisions(args: argparse.Namespace) -> int:

    (run,) = runs_of(args, [args.run])
    rule = rule_of(args, run)
    labels = split(args.label) or rule.wanted(run.labels)
    rows = [
        {"label": label, **d.to_dict()} for label in labels for d in run.find_decisions(label, rule)
    ]
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        names = ["label", "pts_s", "kind", "start_s", "end_s", "reason", "turned_by",
                 "setting", "value"]  # fmt: skip
        print(to_csv(rows, names), end="")
    return 0


def add(command: Command) -> list[argparse.ArgumentParser]:
    """Add the commands of this subject; those that take a store are returned."""
    e = command("evaluate", _evaluate, "Measure a rule against annotations.",
                "lab evaluate RUN --labels truth.csv --enter-threshold 0.4 --json")  # fmt: skip
    s = command("sweep", _sweep, "Measure every rule of a grid against annotations.",
                "lab sweep RUN --labels truth.csv --json")  # fmt: skip
    s.add_argument("--csv", action="store_true", help="every rule, one a row")
    r = command("recommend", _recommend,
                "The best rule under a goal, or the rule in use where nothing is better.",
                "lab recommend RUN --labels truth.csv --recall 0.95")  # fmt: skip
    goal = r.add_mutually_exclusive_group()
    goal.add_argument(
        "--recall", type=float, help="fewest false sightings with at least this recall"
    )
    goal.add_argument("--false-per-hour", type=float, help="highest recall with at most this many")
    r.add_argument("--seed", type=int, default=0)
    for sub in (e, s, r):
        sub.add_argument(
            "runs", nargs="*", metavar="RUN", help="runs of one protocol, each of a different clip"
        )
        add_protocol_option(sub)
        truth_options(sub)
        add_rule_options(sub)
    for sub in (s, r):
        sub.add_argument(
            "--label", help="separated by commas (default: all that runs and truth share)"
        )
        group = sub.add_argument_group("grid", "values separated by commas")
        for name in ("exit_share", *(n for n, p in rule_parameters().items() if p.is_swept)):
            group.add_argument(f"--grid-{name.replace('_', '-')}", metavar="VALUES")
        group.add_argument(
            "--thresholds",
            type=int,
            default=24,
            help="number of thresholds, taken from the scores that occur (24)",
        )
    c = command("compare", _compare, "Two runs, or two rules, over the same clip.",
                "lab compare RUN_A RUN_B --labels truth.csv")  # fmt: skip
    c.add_argument(
        "a",
        metavar="RUN_A",
        help="a run, or several of one protocol separated by commas, which give F1 an interval",
    )
    c.add_argument("b", metavar="RUN_B", help="the same, over the same clips")
    c.add_argument("--label")
    c.add_argument("--label-b", help="the label in B (default: as in A)")
    c.add_argument("--rule-b", metavar="NAME|FILE", help="the rule for B (default: as for A)")
    truth_options(c)
    add_rule_options(c)
    d = command("decisions", _decisions, "What a rule decided, why, and what would change it.",
                "lab decisions RUN --label person --enter-threshold 0.5")  # fmt: skip
    d.add_argument("run", metavar="RUN")
    d.add_argument("--label", help="separated by commas (default: all)")
    add_rule_options(d)
    return [e, s, r, c, d]


def add_protocol_option(sub: argparse.ArgumentParser) -> None:
    """Add the option that asks for all clips of a protocol in place of runs."""
    sub.add_argument(
        "--protocol",
        metavar="HASH",
        help="in place of runs: the newest finished run of each clip of this protocol (the "
        "beginning of its hash is enough)",
    )


def truth_options(sub: argparse.ArgumentParser) -> None:
    """Add the options for what the runs are measured against."""
    group = sub.add_argument_group("truth")
    group.add_argument(
        "--labels",
        metavar="CSV",
        help="media,label,start_s,end_s (default: the store's annotations)",
    )
    group.add_argument(
        "--coverage",
        metavar="CSV",
        help="what was watched (default: all media that --labels names)",
    )
    group.add_argument("--annotator", help="only annotations by this person")
    group.add_argument("--tiou", type=float, default=0.5, help="temporal IoU of a match (0.5)")
    group.add_argument(
        "--collar", type=float, metavar="SECONDS", help="match by onset and offset instead"
    )
    group.add_argument("--edges", choices=["bracket", "observed", "held"], default="bracket")
