"""`logs`: finished runs to and from an object store or a shared disk."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from lab.counted import counted
from lab.errors import SettingError

Command = Callable[..., argparse.ArgumentParser]


def _logs(args: argparse.Namespace) -> int:
    """Exit code 0 if all runs were given or taken, 1 if some were left out."""
    from lab.runs.log_exchange import pull_logs, push_logs
    from lab.store.store import Store

    store = Store(args.store)
    if args.what == "pull":
        if args.runs:
            raise SettingError("pull takes all runs that lie there; name none")
        found = pull_logs(store, args.place)
    else:
        found = push_logs(store, args.place, args.runs or None)
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        word = "taken" if args.what == "pull" else "given"
        print(f"{counted(len(found.done), 'run')} {word}, {len(found.there)} already there")
    for run_id, why in found.left_out.items():
        print(f"lab: run {run_id} is left out: {why}", file=sys.stderr)
    return 1 if found.left_out else 0


def add(command: Command) -> list[argparse.ArgumentParser]:
    p = command(
        "logs",
        _logs,
        "Give finished runs to an object store or a shared disk, or take them from there.",
        "lab logs push s3://bucket/logs",
    )
    p.add_argument("what", choices=["push", "pull"])
    p.add_argument("place", metavar="PLACE", help="s3://..., gs://..., or a folder")
    p.add_argument("runs", nargs="*", metavar="RUN", help="push: only these; default: all")
    return [p]
