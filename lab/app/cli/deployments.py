"""`deployments`: where cameras stood, and which clips are of which deployment."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lab.errors import SettingError, printable
from lab.study.deployment_file import read_deployments

if TYPE_CHECKING:
    from lab.study.joining import Joined

Command = Callable[..., argparse.ArgumentParser]
_MOST_ROWS = 20


def _deployments(args: argparse.Namespace) -> int:
    from lab.store.store import Store

    store = Store(args.store)
    if args.action == "list":
        if args.what:
            raise SettingError("to read a table, use: lab deployments import FILE")
        return _list(args, store)
    if not args.what:
        needs = {"import": "FILE", "join": "PATTERN", "remove": "ID"}[args.action]
        raise SettingError(f"nothing named; use: lab deployments {args.action} {needs}")
    if args.action == "remove":
        return _remove(args, store)
    if len(args.what) > 1:
        raise SettingError(f"one at a time, got {len(args.what)}; put a pattern in quotes")
    return {"import": _import, "join": _join}[args.action](args, store)


def _list(args: argparse.Namespace, store: Any) -> int:
    from lab.study.deployments import deployment_rows

    rows = deployment_rows(store)
    if args.json:
        print(json.dumps(rows, indent=1))
    for row in [] if args.json else rows:
        print(_line(row))
    return 0


def _line(row: dict[str, Any]) -> str:
    where = "no coordinates"
    if row["latitude"] is not None and row["longitude"] is not None:
        where = f"{row['latitude']:.5f}, {row['longitude']:.5f}"
    facts = [
        f"{row['site']} ({where})",
        f"camera {row['camera_id'] or 'unknown'}",
        f"{row['start']} to {row['end']} ({row['zone']})",
        f"{row['working_days']:g} days",
        f"{row['clips']} clips",
    ]
    for name, words in (
        ("without_start", "without a start"),
        ("outside", "outside of the period"),
        ("timestamp_issues", "at a change of the clock"),
        ("corrected", "with a corrected clock"),
    ):
        if row[name]:
            facts.append(f"{row[name]} {words}")
    return f"{row['deployment_id']}: {', '.join(facts)}"


def _import(args: argparse.Namespace, store: Any) -> int:
    from lab.study.camtrap_dp.join import join_package
    from lab.study.camtrap_dp.read import is_package, read_package

    package = read_package(args.what[0], args.zone) if is_package(args.what[0]) else None
    read = package or read_deployments(args.what[0], args.zone)
    known = {one.deployment_id: one for one in store.deployments()}
    new = [one for one in read.deployments if one.deployment_id not in known]
    changed = [one for one in read.deployments if known.get(one.deployment_id, one) != one]
    if not args.preview:
        store.put_deployments([*new, *changed])
    result = {
        "read": len(read.deployments),
        "new": len(new),
        "changed": len(changed),
        "saved": not args.preview,
        "warnings": list(read.warnings),
    }
    joined = None
    if package is not None and package.media:
        joined = join_package(store, package, again=args.again, preview=args.preview)
        result["clips"] = joined.to_dict()
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        print(
            f"{len(read.deployments)} deployments read: {len(new)} new, {len(changed)} changed; "
            f"{'nothing was saved' if args.preview else 'saved'}"
        )
        if joined is not None:
            _print_joined(joined.joined, args, ", ".join(joined.words()))
    for warning in read.warnings:
        print(f"lab: note: {warning}", file=sys.stderr)
    return _say_not_joined(joined.joined) if joined is not None else 0


def _join(args: argparse.Namespace, store: Any) -> int:
    from lab.study.joining import join

    found = join(store, args.what[0], again=args.again, preview=args.preview)
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        _print_joined(found, args)
    if found.fits_nothing:
        example = printable(store.clips(order="name", limit=1)[0]["path"])
        print(
            f"lab: no path fits the pattern {args.what[0]!r}; paths are such as {example}",
            file=sys.stderr,
        )
        return 1
    return _say_not_joined(found)


def _print_joined(found: Joined, args: argparse.Namespace, more: str = "") -> None:
    shown = found.joins if args.all else found.joins[:_MOST_ROWS]
    for one in shown:
        was = f" (site was {one.before})" if one.before not in (None, one.site) else ""
        away = ", outside of its period" if one.is_outside else ""
        print(f"{one.clip} -> {one.deployment_id}, site {one.site}{was}{away}")
    if len(found.joins) > len(shown):
        print(f"and {len(found.joins) - len(shown)} more; all with --all or --json")
    print(
        f"{len(found.joins)} clips join, {len(found.not_joined)} cannot, {found.unmatched} do "
        f"not fit {'the package' if more else 'the pattern'}, {found.kept} were in a deployment"
        f"{', ' + more if more else ''}; {'nothing was saved' if args.preview else 'saved'}"
    )


def _say_not_joined(found: Joined) -> int:
    for other in found.not_joined:
        print(f"lab: not joined: {other.clip}: {other.reason}", file=sys.stderr)
    return 1 if found.not_joined else 0


def _remove(args: argparse.Namespace, store: Any) -> int:
    for name in args.what:
        store.deployment(name)
    store.delete_deployments(args.what)
    print(json.dumps({"removed": args.what}) if args.json else f"{len(args.what)} removed")
    return 0


def add(command: Command) -> list[argparse.ArgumentParser]:
    d = command("deployments", _deployments,
                "Where cameras stood, and when; which clips are of which deployment.",
                "lab deployments join '{site}/{camera}_*' --preview")  # fmt: skip
    d.add_argument("action", nargs="?", choices=["list", "import", "join", "remove"],
                   default="list")  # fmt: skip
    d.add_argument("what", nargs="*", metavar="FILE|PATTERN|ID",
                   help="of import: a CSV, such as Camtrap DP's deployments.csv, or a package of "
                   "it (a folder or zip), whose clips are joined, too; of join: what the "
                   "ends of paths look like, with {deployment}, {site} or {camera}")  # fmt: skip
    d.add_argument("--zone", metavar="ZONE",
                   help="of rows that name none: Europe/Berlin, or +01:00 for a clock that is "
                   "never changed")  # fmt: skip
    d.add_argument("--again", action="store_true", help="of join: also clips that are in one")
    d.add_argument("--preview", action="store_true", help="say what would change, save nothing")
    d.add_argument("--all", action="store_true", help=f"list all clips, not only {_MOST_ROWS}")
    return [d]
