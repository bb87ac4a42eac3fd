"""`taxa` and `events`: what labels stand for, and sightings of many clips as events."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

from lab.app.cli.apply import progress_bar
from lab.errors import SettingError
from lab.formats.csv import to_csv

Command = Callable[..., argparse.ArgumentParser]


def _taxa(args: argparse.Namespace) -> int:
    from lab.store.store import Store
    from lab.study.taxa_file import read_taxa

    store = Store(args.store)
    if args.action == "import":
        if len(args.what) != 1:
            raise SettingError("name one file: lab taxa import FILE.csv")
        store.put_taxa(read_taxa(args.what[0]))
    elif args.action == "remove":
        known = store.taxa()
        for label in args.what:
            if label not in known:
                raise SettingError(f"no taxon of label {label!r}; known: {', '.join(known)}")
        store.delete_taxa(args.what)
    elif args.what:
        raise SettingError("to read a table, use: lab taxa import FILE")
    rows = [asdict(one) for one in store.taxa().values()]
    if args.json:
        print(json.dumps(rows, indent=1))
    for row in [] if args.json else rows:
        names = [row["scientific_name"], row["english_name"], row["taxon_rank"], row["taxon_id"]]
        print(f"{row['label']}: {', '.join(filter(None, [row['observation_type'], *names]))}")
    return 0


def _events(args: argparse.Namespace) -> int:
    from lab.store.store import Store
    from lab.study.events import EVENT_COLUMNS, event_rows, find_events

    found = find_events(
        Store(args.store),
        args.interval,
        args.rule,
        protocol=args.protocol,
        max_n=not args.no_max_n,
        progress=progress_bar(),
        label=args.label or None,
        site=args.site or None,
    )
    rows = event_rows(found.table)
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        print(to_csv(rows, EVENT_COLUMNS), end="")
    for note in found.notes:
        print(f"lab: note: {note}", file=sys.stderr)
    return 0


def add(command: Command) -> list[argparse.ArgumentParser]:
    t = command("taxa", _taxa, "What labels stand for: type, scientific and English name.",
                "lab taxa import taxa.csv")  # fmt: skip
    t.add_argument("action", nargs="?", choices=["list", "import", "remove"], default="list")
    t.add_argument("what", nargs="*", metavar="FILE|LABEL")
    e = command("events", _events,
                "Sightings of one label at one site within an interval, as one event; as CSV.",
                "lab events --interval 1800 --label fox > events.csv")  # fmt: skip
    e.add_argument("--interval", type=float, default=1800.0, metavar="SECONDS",
                   help="from the end of one to the start of the next; default: 1800")  # fmt: skip
    e.add_argument("--rule", choices=["lastRecord", "lastIndependentRecord"],
                   default="lastRecord",
                   help="what a sighting must be away from: the one before it, or the last one "
                   "that was independent (as in camtrapR); default: lastRecord")  # fmt: skip
    e.add_argument("--label", action="append", help="only of this label; may be repeated")
    e.add_argument("--site", action="append", help="only of this site; may be repeated")
    e.add_argument("--protocol", metavar="HASH", help="of the runs, or the beginning of it")
    e.add_argument("--no-max-n", action="store_true",
                   help="do not count the largest number at one time")  # fmt: skip
    return [t, e]
