"""`lab sightings` without a run: stored sightings that fulfil conditions."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from lab.app.cli.rule_options import has_rule_options
from lab.counted import counted
from lab.errors import SettingError
from lab.formats.csv import to_csv
from lab.media_time import media_time

# Option, the name of its condition in an address, what is typed, what it does.
_OPTIONS = (
    ("--label", "label", "LABEL", "of this label; may be given several times, as may others"),
    ("--site", "site", "SITE", "of this site"),
    ("--clip", "name", "NAME", "in clips of this file name"),
    ("--in-run", "run_id", "RUN", "of this run, by its whole id"),
    ("--tag", "tag", "TAG", "with this tag"),
    ("--verdict", "verdict", "VERDICT", "accepted, rejected, unsure or relabelled"),
    ("--reviewed", "reviewed", "yes|no", "those with a verdict, or without"),
    ("--text", "text", "WORDS", "words of the clip, label, site, rule or note"),
    ("--note", "note", "WORDS", "words of the note"),
    ("--from", "from_local", "TIME", "begun at this time of the place or later: 2026-05-01T06:30"),
    ("--to", "to_local", "TIME", "begun at this time of the place or earlier; a day is all of it"),
    ("--hours", "hours", "H-H", "begun at these hours of the day at the place, such as 22-4.5"),
    ("--weekday", "weekday", "N", "begun on this day of the week, 1 (Monday) to 7"),
    ("--min-score", "min_confidence", "X", "with at least this peak score"),
    ("--max-score", "max_confidence", "X", "with at most this peak score"),
    ("--lasts-at-least", "min_duration_s", "S", "that last at least so many seconds"),
    ("--lasts-at-most", "max_duration_s", "S", "that last at most so many seconds"),
    ("--rules", "rules", "current|all", "of the current rules (the default), or of all"),
)  # fmt: skip


def add_stored_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("stored sightings", "instead of RUN; all must be fulfilled")
    for flag, name, metavar, text in _OPTIONS:
        group.add_argument(flag, dest=f"where_{name}", action="append", metavar=metavar, help=text)
    group.add_argument("--order", metavar="ORDER", help="time, newest, label, site, confidence, "
                       "duration, onset, calendar and others; default: time")  # fmt: skip
    group.add_argument("--limit", type=int, metavar="N", help="at most so many")


def conditions_of(args: argparse.Namespace) -> dict[str, list[str]]:
    """What the options ask for, as in the address of the page."""
    given = {name: getattr(args, f"where_{name}") for _, name, _, _ in _OPTIONS}
    return {name: values for name, values in given.items() if values is not None}


def run_stored(args: argparse.Namespace) -> int:
    """List stored sightings. Raises LabError."""
    from lab.store.sighting_query import wanted_of_query
    from lab.store.store import Store
    from lab.store.tables import STORED_SIGHTING_COLUMNS, sighting_rows

    if has_rule_options(args) or args.save or args.current:
        raise SettingError(
            "options of a rule, --save and --current need a run: lab sightings RUN; stored "
            "sightings are chosen by --label, --site and others, see lab sightings --help"
        )
    store, wanted = Store(args.store), wanted_of_query(conditions_of(args))
    raw = store.sightings(order=args.order or "time", limit=args.limit, **wanted)
    rows, reviews = sighting_rows(store, raw), store.reviews_of(raw)
    for row in rows:
        row |= reviews.get(row["sighting_id"], {})
    output = "json" if args.json else args.format
    if output == "json":
        print(json.dumps(rows, indent=1, default=str))
    elif output == "csv":
        columns = [*STORED_SIGHTING_COLUMNS, "verdict", "new_label", "tags", "note"]
        print(to_csv([{**row, "tags": ", ".join(row["tags"])} for row in rows], columns), end="")
    else:
        _print_table(rows)
    return 0


def _print_table(rows: list[dict[str, Any]]) -> None:
    print(f"{'label':<20} {'onset':>10} {'duration':>10} {'peak':>6} {'verdict':<12} clip")
    for row in rows:
        print(
            f"{row['label']:<20} {media_time(round(row['onset_s'] * 1e6)):>10} "
            f"{row['duration_s']:>8.2f} s {row['peak_confidence']:>6.2f} "
            f"{row['verdict'] or '':<12} {row['media']}"
        )
    print(counted(len(rows), "sighting"), file=sys.stderr)
