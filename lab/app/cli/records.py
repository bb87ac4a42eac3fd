"""`import`, `annotations`, `agreement`: detections and annotations from other programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.counted import counted
from lab.formats.annotations.files import FORMATS, read_rows, records_of, write_coverage, write_rows
from lab.formats.annotations.table import read_file
from lab.formats.export import as_bytes

Command = Callable[..., argparse.ArgumentParser]


def _import(args: argparse.Namespace) -> int:
    from lab.store.store import Store

    store = Store(args.store)
    if args.what == "annotations":
        return _import_annotations(args, store)
    if args.what == "megadetector":
        from lab.formats.detections.megadetector import import_megadetector

        found = import_megadetector(args.file, store, videos=args.videos)
    else:
        from lab.formats.detections.csv import import_detections

        found = import_detections(args.file, store, videos=args.videos, every_s=args.every)
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        for run in found.runs:
            summary = run.summary()
            print(f"{run.run_id}  {summary['media']}: {summary['samples']} samples")
    for note in found.notes:
        print(f"lab: note: {note}", file=sys.stderr)
    for name, why in found.failures.items():
        print(f"lab: note: {name} failed when the detections were made: {why}", file=sys.stderr)
    for name, why in found.refused.items():
        print(f"lab: {name}: {why}", file=sys.stderr)
    return 1 if found.refused or not found.runs else 0


def _import_annotations(args: argparse.Namespace, store: Any) -> int:

    rows = read_rows(read_file(args.file), Path(args.file).name, args.format)
    media = store.all_media()
    records, notes = records_of(
        rows, media, annotator=args.annotator, watched=args.watched,
        only_media=store.find_media(args.media) if args.media else None,
    )  # fmt: skip
    count = store.add_records(records)
    result = {
        "annotations": sum(hasattr(r, "annotation_id") for r in records),
        "records": count,
        "notes": notes,
    }
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        print(
            f"{counted(result['annotations'], 'annotation')}, "
            f"{counted(count - result['annotations'], 'stretch', 'stretches')} of "
            "coverage"
        )
    for note in notes:
        print(f"lab: note: {note}", file=sys.stderr)
    return 0


def _annotations(args: argparse.Namespace) -> int:
    from lab.store.annotations import as_json
    from lab.store.store import Store

    store = Store(args.store)
    chosen = [store.find_media(args.media)] if args.media else store.all_media()
    only = chosen[0]["media_id"] if args.media else None
    annotations, watched = store.annotations(only), store.coverage(only)
    if args.annotator:
        annotations = [a for a in annotations if a.annotator == args.annotator]
        watched = [c for c in watched if c.annotator == args.annotator]
    if args.json:
        print(json.dumps([*map(as_json, annotations), *map(as_json, watched)], indent=1))
    elif args.coverage:
        print(write_coverage(watched, chosen), end="")
    else:
        whole = write_rows(annotations, watched, chosen, args.format)
        sys.stdout.buffer.write(as_bytes(whole))
        sys.stdout.buffer.flush()
    return 0


def _agreement(args: argparse.Namespace) -> int:
    from lab.evaluation.agreement import agreement
    from lab.store.store import Store

    store = Store(args.store)
    found = agreement(store.annotations(), store.coverage(), args.one, args.other, tiou=args.tiou)
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    for label, row in [*found["labels"].items(), ("all labels", found["overall"])]:
        kappa = "–" if row["kappa"] is None else f"{row['kappa']:.3f}"
        print(
            f"{label}: {row['agreement']:.1%} of {row['seconds']} s, kappa {kappa}; "
            f"both {row['both']}, "
            f"only {args.one} {row['only_one']}, only {args.other} {row['only_other']}"
        )
        for why in row["refused"].values():
            print(f"  not given: {why}")
    return 0


def add(command: Command) -> list[argparse.ArgumentParser]:
    i = command(
        "import",
        _import,
        "Import detections, as runs, and annotations from other programs.",
        "lab import megadetector results.json --videos cards/",
    )
    i.add_argument("what", choices=["megadetector", "detections", "annotations"])
    i.add_argument("file", metavar="FILE")
    i.add_argument(
        "--videos", metavar="DIR", help="the folder of the videos, if they are available"
    )
    i.add_argument(
        "--every", type=float, metavar="SECONDS", help="detections: seconds between samples"
    )
    i.add_argument(
        "--format", choices=FORMATS, help="annotations: default: recognised from the file"
    )
    i.add_argument("--media", help="annotations: the clip, for files that do not name one")
    i.add_argument("--annotator", help="annotations: who made them")
    i.add_argument(
        "--watched",
        action="store_true",
        help="annotations: every clip named was watched completely for every label named",
    )
    a = command("annotations", _annotations, "Export the store's annotations as a file.",
                "lab annotations --format boris > events.csv")  # fmt: skip
    a.add_argument("--format", default="csv", metavar="NAME",
                   help=f"{', '.join(FORMATS)}, or one of a plugin; default: csv")  # fmt: skip
    a.add_argument("--coverage", action="store_true", help="what was watched, as CSV")
    a.add_argument("--media", help="only this clip")
    a.add_argument("--annotator", help="only annotations by this person")
    g = command("agreement", _agreement, "How far two annotators agree.",
                "lab agreement anna ben")  # fmt: skip
    g.add_argument("one")
    g.add_argument("other")
    g.add_argument("--tiou", type=float, default=0.5)
    return [i, a, g]
