"""The commands `sightings` and `export`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from lab.app.cli.apply import progress_bar
from lab.app.cli.rule_options import note_unfinished, rule_of
from lab.app.cli.stored_sightings import conditions_of, run_stored
from lab.counted import counted
from lab.errors import SettingError, printable
from lab.formats.csv import to_csv
from lab.formats.export import as_bytes, export_named, exports
from lab.study.camtrap_dp.columns import CAPTURE_METHODS, SAMPLING_DESIGNS


def run_sightings(args: argparse.Namespace) -> int:
    """`lab sightings`. Raises LabError."""
    from lab.runs.run import RULE_SIGHTING_COLUMNS, Run
    from lab.store.store import Store

    asked = conditions_of(args)
    if args.run is None:
        return run_stored(args)
    if asked or args.order or args.limit is not None:
        raise SettingError(
            "a run and conditions of stored sightings do not go together; leave out the run, or "
            f"name it with --in-run {args.run}"
        )
    run = Run(Store(args.store), args.run)
    rule = rule_of(args, run, start=_current_rule_of(run) if args.current else None)
    rows = [sighting.to_dict() for sighting in run.find(rule)]
    if args.save:
        run.save_sightings(rule, args.rule)
    output = "json" if args.json else args.format
    if output == "json":
        print(json.dumps(rows, indent=1))
    elif output == "csv":
        print(to_csv(rows, RULE_SIGHTING_COLUMNS), end="")
    else:
        _print_table(rows)
    note_unfinished(run)
    return 0


def _current_rule_of(run: Any) -> Any:
    current = run.store.current_rules(run.protocol_hash).get(run.protocol_hash)
    if current is None:
        raise SettingError(
            f"no rule was applied to protocol {run.protocol_hash} of run {run.run_id}; apply one "
            f"with: lab apply RULE --protocol {run.protocol_hash}"
        )
    return current.rule


def _print_table(rows: list[dict[str, Any]]) -> None:
    print(f"{'label':<20} {'onset_s':>10} {'offset_s':>10} {'duration_s':>10} {'peak':>6} alert_s")
    for row in rows:
        alert = "silenced" if row["alert_s"] is None else f"{row['alert_s']:.2f}"
        print(
            f"{row['label']:<20} {row['onset_s']:>10.2f} {row['offset_s']:>10.2f} "
            f"{row['duration_s']:>10.2f} {row['peak_confidence']:>6.2f} {alert}"
        )
    print(counted(len(rows), "sighting"), file=sys.stderr)


def run_export(args: argparse.Namespace) -> int:
    """`lab export`. Raises LabError."""
    from lab.store.store import Store
    from lab.store.tables import effort_rows

    if args.what == "camtrap-dp":
        return _export_camtrap_dp(args)
    kind = "json" if args.json else args.format
    if args.by == "deployment":
        return _export_deployment_effort(args, kind)
    name = f"{args.what}-{kind}"
    export = export_named(name if name in exports else kind, args.what)
    store = Store(args.store)
    sys.stdout.flush()
    if args.what == "sightings":
        batches = store.sighting_batches(current=args.rules == "current")
        export.write_batches(batches, sys.stdout.buffer)
    else:
        sys.stdout.buffer.write(as_bytes(export.write(effort_rows(store))))
    sys.stdout.buffer.flush()
    return 0


def _export_deployment_effort(args: argparse.Namespace, kind: str) -> int:
    from lab.store.store import Store
    from lab.study.deployments import DEPLOYMENT_EFFORT_COLUMNS, deployment_effort_rows

    if args.what != "effort" or kind not in ("csv", "json"):
        raise SettingError(
            f"--by deployment is for effort as csv or json, not {args.what} as {kind}"
        )
    rows = deployment_effort_rows(Store(args.store))
    if kind == "json":
        print(json.dumps(rows, indent=1))
    else:
        print(to_csv(rows, DEPLOYMENT_EFFORT_COLUMNS), end="")
    return 0


def _export_camtrap_dp(args: argparse.Namespace) -> int:
    from lab.study.camtrap_dp.export import export_camtrap_dp

    if args.output is None:
        raise SettingError("a package needs a place: --output FOLDER, or --output FILE.zip")
    done = export_camtrap_dp(
        args.store,
        args.output,
        title=args.title,
        contributors=args.contributor,
        sampling_design=args.sampling_design,
        capture_method=args.capture_method,
        interval_s=args.interval,
        rule=args.event_rule,
        protocol=args.protocol,
        without_coordinates=args.without_coordinates,
        public=args.public,
        replace=args.replace,
        progress=progress_bar(),
    )
    if args.json:
        print(json.dumps(done.to_dict(), indent=1))
    else:
        rows = ", ".join(f"{n:,} {name}" for name, n in done.rows.items())
        print(f"{printable(done.path)}: {rows}")
    for note in done.notes:
        print(f"lab: note: {note}", file=sys.stderr)
    return 0


def add_package_options(parser: argparse.ArgumentParser) -> None:
    """Those of `lab export camtrap-dp` alone."""
    group = parser.add_argument_group(
        "camtrap-dp",
        "Title, contributors, design and method are remembered: name them again to change them.",
    )
    group.add_argument("--output", metavar="PATH", help="a new folder, or a .zip")
    group.add_argument("--title", help="of the project")
    group.add_argument(
        "--contributor", action="append", metavar="NAME", help="who made it; may be repeated"
    )
    group.add_argument("--sampling-design", metavar="WORD", help=", ".join(SAMPLING_DESIGNS))
    group.add_argument(
        "--capture-method",
        metavar="WORD",
        help=f"{' or '.join(CAPTURE_METHODS)}; default: {CAPTURE_METHODS[0]}",
    )
    group.add_argument("--interval", type=float, default=1800.0, metavar="SECONDS",
                       help="of events, as of lab events; default: 1800")  # fmt: skip
    group.add_argument("--event-rule", choices=["lastRecord", "lastIndependentRecord"],
                       default="lastRecord", help="of events; default: lastRecord")  # fmt: skip
    group.add_argument("--protocol", metavar="HASH", help="of the runs, or the beginning of it")
    group.add_argument("--without-coordinates", action="store_true",
                       help="leave out deployments that have none")  # fmt: skip
    group.add_argument("--public", action="store_true", help="everybody can have the files")
    group.add_argument("--replace", action="store_true", help="write over a package")
