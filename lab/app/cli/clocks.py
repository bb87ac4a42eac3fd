"""`starts` and `clock`: when clips were recorded, and what corrects the cameras' clocks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from lab.clock import Anchor, parse_time
from lab.counted import counted
from lab.errors import SettingError

Command = Callable[..., argparse.ArgumentParser]
_MOST_ROWS = 20


def _starts(args: argparse.Namespace) -> int:
    from lab.store.store import Store
    from lab.study.starts import read_starts

    found = read_starts(
        Store(args.store),
        args.source,
        args.given,
        zone=args.zone,
        metadata_clock=args.metadata_clock,
        replace=args.replace,
        preview=args.preview,
    )
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        for one in found.found if args.all else found.found[:_MOST_ROWS]:
            flag = f", {one.issue}: the clock changes then" if one.issue else ""
            print(f"{one.clip}: {one.camera} -> {one.start or 'waits for a zone'}{flag}")
        issues = sum(one.issue is not None for one in found.found)
        print(
            f"{len(found.found)} starts from {args.source}, {issues} of them at a change of the "
            f"clock; {found.kept} kept from a better source, {len(found.left_out)} left out; "
            f"{'nothing was saved' if args.preview else 'saved'}"
        )
    for clip, reason in found.left_out:
        print(f"lab: left out: {clip}: {reason}", file=sys.stderr)
    for note in found.notes:
        print(f"lab: note: {note}", file=sys.stderr)
    return 0


def _clock(args: argparse.Namespace) -> int:
    from lab.store.store import Store

    store = Store(args.store)
    if args.action == "list":
        rows = [
            {"deployment_id": name, "camera": one.camera_local.isoformat(),
             "true_utc": one.true_utc.isoformat() + "Z"}
            for name, anchors in store.anchors().items()
            for one in anchors
        ]  # fmt: skip
        if args.json:
            print(json.dumps(rows, indent=1))
        for row in [] if args.json else rows:
            print(f"{row['deployment_id']}: camera {row['camera']}, true {row['true_utc']}")
        return 0
    return _change_anchors(args, store)


def _change_anchors(args: argparse.Namespace, store: Any) -> int:
    if args.deployment is None:
        raise SettingError(f"no deployment named; use: lab clock {args.action} DEPLOYMENT ...")
    zone = store.deployment(args.deployment).zone
    anchors = store.anchors(args.deployment).get(args.deployment, [])
    anchors = _left(args, anchors) if args.action == "remove" else [*anchors, _anchor(args, zone)]
    if args.preview:
        return _preview_anchors(args, store, anchors)
    warnings = store.set_anchors(args.deployment, anchors)
    corrected = store.deployment_facts()[args.deployment]["corrected"]
    result = {"deployment_id": args.deployment, "anchors": len(anchors), "corrected": corrected,
              "warnings": warnings}  # fmt: skip
    print(
        json.dumps(result, indent=1)
        if args.json
        else f"{args.deployment}: {counted(len(anchors), 'anchor')}, "
        f"{counted(corrected, 'clip')} corrected"
    )
    for warning in warnings:
        print(f"lab: note: {warning}", file=sys.stderr)
    return 0


def _preview_anchors(args: argparse.Namespace, store: Any, anchors: Sequence[Anchor]) -> int:
    from lab.study.clock_effect import clock_effect

    found = clock_effect(store, args.deployment, anchors)
    if args.json:
        print(json.dumps([one.to_dict() for one in found], indent=1))
    for one in [] if args.json else found:
        away = ", outside of the period" if one.is_outside else ""
        print(f"{one.clip}: {one.camera} -> {one.corrected} ({one.correction_s:+,.3f} s){away}")
    if not found:
        print(f"{args.deployment} has no clips with a start; see: lab starts", file=sys.stderr)
    return 0


def _anchor(args: argparse.Namespace, zone: str) -> Anchor:
    from lab.study.clock_effect import anchor_of

    if args.camera is None or args.true is None:
        raise SettingError(
            "an anchor needs what the camera's clock said and the true time: lab clock add "
            "DEPLOYMENT 2026-05-01T07:00:00 2026-05-01T06:00:00+02:00"
        )
    return anchor_of(args.camera, args.true, zone)


def _left(args: argparse.Namespace, anchors: Sequence[Anchor]) -> list[Anchor]:
    if args.camera is None:
        return []
    at = _camera_time(args.camera)
    left = [one for one in anchors if one.camera_local != at]
    if len(left) == len(anchors):
        known = ", ".join(one.camera_local.isoformat() for one in anchors) or "none"
        raise SettingError(f"{args.deployment} has no anchor at {args.camera}; known: {known}")
    return left


def _camera_time(text: str) -> datetime:
    at = parse_time(text)
    if at.utcoffset() is not None:
        raise SettingError(
            f"the camera's time is as its clock shows it, without an offset from UTC, got "
            f"{text!r}; it is read in the deployment's zone"
        )
    return at


def add(command: Command) -> list[argparse.ArgumentParser]:
    s = command("starts", _starts, "When clips began: from their files, their names, or a table.",
                "lab starts name '*_{time:%%Y%%m%%d_%%H%%M%%S}'")  # fmt: skip
    s.add_argument("source", choices=["metadata", "name", "table"])
    s.add_argument("given", nargs="?", metavar="PATTERN|FILE",
                   help="of name: a pattern with {time:%%Y%%m%%d_%%H%%M%%S}; of table: a CSV with "
                   "media and start")  # fmt: skip
    s.add_argument("--zone", metavar="ZONE",
                   help="of times that name none, of clips in no deployment")  # fmt: skip
    s.add_argument("--metadata-clock", choices=["utc", "local"], default="utc",
                   help="local: the camera writes local time and calls it UTC")  # fmt: skip
    s.add_argument("--replace", action="store_true", help="also starts from a better source")
    s.add_argument("--preview", action="store_true", help="say what would change, save nothing")
    s.add_argument("--all", action="store_true", help=f"list all clips, not only {_MOST_ROWS}")
    c = command("clock", _clock, "Anchors of cameras' clocks: one corrects an offset, two a drift.",
                "lab clock add creek-1 2026-05-01T07:00:00 2026-05-01T06:00:00+02:00")  # fmt: skip
    c.add_argument("action", nargs="?", choices=["list", "add", "remove"], default="list")
    c.add_argument("deployment", nargs="?", metavar="DEPLOYMENT")
    c.add_argument("camera", nargs="?", metavar="CAMERA_TIME",
                   help="what its clock said; of remove, without it: all anchors")  # fmt: skip
    c.add_argument("true", nargs="?", metavar="TRUE_TIME", help="when that was")
    c.add_argument("--preview", action="store_true",
                   help="say what it does to the first and last clip, save nothing")  # fmt: skip
    return [s, c]
