"""`import`, `annotations`, `agreement`: other people's detections, and what people say is true."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.app.cli.media import find_media
from lab.formats.annotations.files import FORMATS, read_rows, records_of, write_coverage, write_rows
from lab.formats.annotations.table import read_file

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
            print(f"{run.run_id}  {run.media['path']}: {len(run.log.pts_us)} samples")
    for note in found.notes:
        print(f"lab: note: {note}", file=sys.stderr)
    for name, why in found.failures.items():
        print(f"lab: note: {name} failed when it was made: {why}", file=sys.stderr)
    for name, why in found.refused.items():
        print(f"lab: {name}: {why}", file=sys.stderr)
    return 1 if found.refused or not found.runs else 0


def _import_annotations(args: argparse.Namespace, store: Any) -> int:

    rows = read_rows(read_file(args.file), Path(args.file).name, args.format)
    media = store.all_media()
    records, notes = records_of(
        rows, media, annotator=args.annotator, watched=args.watched,
        only_media=find_media(args.media, media) if args.media else None,
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
            f"{result['annotations']} annotations, {count - result['annotations']} covered stretches"
        )
    for note in notes:
        print(f"lab: note: {note}", file=sys.stderr)
    return 0


def _annotations(args: argparse.Namespace) -> int:
    from lab.store.annotations import as_json
    from lab.store.store import Store

    store = Store(args.store)
    media = store.all_media()
    chosen = [find_media(args.media, media)] if args.media else media
    marks, watched = store.annotations(), store.coverage()
    if args.annotator:
        marks = [a for a in marks if a.annotator == args.annotator]
        watched = [c for c in watched if c.annotator == args.annotator]
    if args.json:
        print(json.dumps([*map(as_json, marks), *map(as_json, watched)], indent=1))
    elif args.coverage:
        print(write_coverage(watched, chosen), end="")
    else:
        print(write_rows(marks, watched, chosen, args.format), end="")
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
        print(f"{label}: {row['agreement']:.1%} of {row['seconds']} s, kappa {kappa}; both {row['both']}, "
              f"only {args.one} {row['only_one']}, only {args.other} {row['only_other']}")  # fmt: skip
        for why in row["refused"].values():
            print(f"  not given: {why}")
    return 0


def add(command: Command) -> list[argparse.ArgumentParser]:
    i = command("import", _import, "Detections made elsewhere, as runs; annotations made elsewhere.",
                "lab import megadetector results.json --videos cards/")  # fmt: skip
    i.add_argument("what", choices=["megadetector", "detections", "annotations"])
    i.add_argument("file", metavar="FILE")
    i.add_argument("--videos", metavar="DIR", help="where the videos are, if they are at hand")
    i.add_argument(
        "--every", type=float, metavar="SECONDS", help="detections: distance of the samples"
    )
    i.add_argument(
        "--format", choices=FORMATS, help="annotations: told from the file, unless given"
    )
    i.add_argument("--media", help="annotations: the clip, for files that name none")
    i.add_argument("--annotator", help="annotations: who made them")
    i.add_argument("--watched", action="store_true",
                   help="annotations: all media they name were wholly watched for all labels they name")  # fmt: skip
    a = command("annotations", _annotations, "Annotations of the store, as a file.",
                "lab annotations --format boris > events.csv")  # fmt: skip
    a.add_argument("--format", default="csv", metavar="NAME",
                   help=f"{', '.join(FORMATS)}, or one of a plugin; default: csv")  # fmt: skip
    a.add_argument("--coverage", action="store_true", help="what was watched, as CSV")
    a.add_argument("--media", help="only this clip")
    a.add_argument("--annotator", help="only this one's")
    g = command("agreement", _agreement, "Whether two annotators say the same.",
                "lab agreement anna ben")  # fmt: skip
    g.add_argument("one")
    g.add_argument("other")
    g.add_argument("--tiou", type=float, default=0.5)
    return [i, a, g]
