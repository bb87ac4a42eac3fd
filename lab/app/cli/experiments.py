"""`experiments`, `reproduce`: the lab notebook."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from lab.atomic_file import write_atomically
from lab.counted import counted
from lab.errors import LabError
from lab.extras import need

Command = Callable[..., argparse.ArgumentParser]
_SUFFIX = {"notebook": ".ipynb", "report": ".html", "bundle": ".zip"}


def _experiments(args: argparse.Namespace) -> int:
    from lab.store.store import Store

    store = Store(args.store)
    if args.entry is None:
        rows = store.entries(archived=None if args.archived else False)
        if args.json:
            print(json.dumps(rows, indent=1, default=str))
        else:
            for r in rows:
                star, tags = "*" if r["starred"] else " ", " ".join(f"#{t}" for t in r["tags"])
                print(
                    f"{star} {r['entry_id']:<30} {r['created_utc']:%Y-%m-%d %H:%M}  "
                    f"{r['kind']:<5} {r['title'] or ''} {tags}"
                )
        return 0
    from lab.experiments.entry import Experiment

    experiment = Experiment.load(store, args.entry)
    out = Path(args.out or f"{experiment.entry_id}{_SUFFIX[args.format]}")
    content: str | bytes
    if args.format == "notebook":
        need("a notebook of an entry", "notebook", "nbformat", error=LabError)
        from lab.experiments.notebook import notebook_of

        content = notebook_of(experiment)
    elif args.format == "report":
        need("a report of an entry", "notebook", "jinja2", "markdown_it", "plotly", error=LabError)
        from lab.experiments.report import report_of

        content = report_of(experiment)
    else:
        from lab.experiments.bundle import bundle_of

        content = bundle_of(experiment)
    try:
        write_atomically(out, content)
    except OSError as error:
        raise LabError(
            f"{out} cannot be written: {error.strerror}; name a file with --out"
        ) from None
    print(json.dumps({"entry_id": experiment.entry_id, "path": str(out)}) if args.json else out)
    return 0


def _reproduce(args: argparse.Namespace) -> int:
    from lab.experiments.reproduce import reproduce

    row = reproduce(
        args.bundle, videos=args.videos, weights=args.weights, share=args.share, seed=args.seed,
        trust=args.trust,
    )  # fmt: skip
    if args.json:
        print(json.dumps(row, indent=1))
    else:
        sightings, inference = row["sightings"], row["inference"]
        result = "identical" if sightings["identical"] else f"{sightings['differences']} differ"
        print(f"{counted(sightings['count'], 'sighting')} derived again from its log: {result}")
        if "skipped" in inference:
            print(f"inference not repeated: {inference['skipped']}")
        else:
            print(
                f"inference repeated on {inference['samples']} of {inference['asked']} samples: "
                f"largest difference {inference['largest_difference']:.2g}, "
                f"{inference['flips']} would fall on the other side of a threshold, "
                f"{inference['sightings_changed']} sightings would change"
            )
    skipped = args.share > 0 and "skipped" in row["inference"]
    return 0 if row["sightings"]["identical"] and not skipped else 1


def add(command: Command) -> list[argparse.ArgumentParser]:
    e = command(
        "experiments",
        _experiments,
        "List the lab notebook's entries, or export one as a file.",
        "lab experiments ENTRY --format report --out report.html",
    )
    e.add_argument("entry", nargs="?", metavar="ENTRY", help="default: list all")
    e.add_argument("--format", choices=list(_SUFFIX), default="notebook")
    e.add_argument("--out", metavar="FILE")
    e.add_argument("--archived", action="store_true", help="list archived entries, too")
    r = command("reproduce", _reproduce, "Reproduce the sightings of a methods bundle.",
                "lab reproduce bundle.zip --videos cards/")  # fmt: skip
    r.add_argument("bundle", metavar="BUNDLE")
    r.add_argument("--videos", metavar="DIR", help="where the clip is, if it moved")
    r.add_argument("--weights", metavar="PATH", help="where the weights are, if they moved")
    r.add_argument(
        "--share",
        type=float,
        default=0.01,
        help="share of samples on which inference is repeated (0.01)",
    )
    r.add_argument("--seed", type=int, default=0)
    r.add_argument(
        "--trust",
        action="store_true",
        help="let the bundle run code that is not the lab's, or send pictures to an address",
    )
    return [e, r]
