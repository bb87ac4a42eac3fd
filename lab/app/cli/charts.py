"""`charts`: a chart of stored sightings over effort, as a page or a table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.charts import CHARTS, make_chart
from lab.errors import LabError, SettingError

Command = Callable[..., argparse.ArgumentParser]


def _charts(args: argparse.Namespace) -> int:
    from lab.store.store import Store

    kind = Path(args.output).suffix.lower() if args.output else ""
    if args.output and kind not in (".html", ".csv"):
        raise SettingError(f"--output must end in .html or .csv, got {args.output}")
    wanted: dict[str, Any] = {"label": args.label or None, "site": args.site or None}
    store = Store(args.store)
    if args.clip is not None:
        if args.name != "positions":
            raise SettingError(
                "--clip is of the chart positions; narrow others by --label or --site"
            )
        wanted["clip"] = store.find_media(args.clip)["media_id"]
    chart = make_chart(args.name, store, **wanted)
    for note in chart.notes:
        print(f"lab: note: {note}", file=sys.stderr)
    if args.json:
        print(json.dumps(json.loads(chart.table.to_json(orient="records", date_format="iso"))))
    elif not args.output:
        print(chart.to_csv(), end="")
    if args.output:
        text = chart.to_html() if kind == ".html" else chart.to_csv()
        try:
            write_atomically(args.output, text)
        except OSError as error:
            raise LabError(
                f"{args.output} cannot be written ({error.strerror or error}); name another file"
            ) from None
    return 0


def add(command: Command) -> list[argparse.ArgumentParser]:
    c = command("charts", _charts,
                "A chart of stored sightings over what was analysed, as a page, or its table.",
                "lab charts activity --label fox --output activity.html")  # fmt: skip
    c.add_argument("name", choices=list(CHARTS), metavar="NAME", help=", ".join(CHARTS))
    c.add_argument(
        "--output",
        metavar="FILE",
        help="a page (.html) or the table (.csv); default: print the table",
    )
    c.add_argument("--label", action="append", help="only of this label; may be repeated")
    c.add_argument("--site", action="append", help="only of this site; may be repeated")
    c.add_argument("--clip", help="positions: of this clip, by its id, name or path")
    return [c]
