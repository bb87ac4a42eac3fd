"""`feeds`: how the feeds of a store are, and what they are to do."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.app.cli.rule_options import add_rule_options, has_rule_options, rule_of
from lab.app.cli.watch_display import feed_lines
from lab.errors import LabError, SettingError, closest
from lab.feeds.commands import send
from lab.feeds.status import read_status
from lab.rules.rule import Rule

if TYPE_CHECKING:
    from lab.store.store import Store

Command = Callable[..., argparse.ArgumentParser]
_OF_A_FEED = {
    "start": "start",
    "stop": "stop",
    "now": "analyse_now",
    "remove": "remove",
}
_OF_ALL = {"reload": "reload", "shut-down": "shut_down"}


def _feeds(args: argparse.Namespace) -> int:
    """Raises LabError where nobody watches, or what was asked is refused."""
    from lab.feeds.schema import feeds_schema
    from lab.store.store import Store

    if args.what == "schema":
        print(json.dumps(feeds_schema(), indent=2))
        return 0
    store = Store(args.store)
    status = read_status(store.folder)
    if args.what == "list":
        return _list(status, args.json)
    if status is None:
        raise LabError("nobody watches the feeds of this store; start: lab watch feeds.yaml")
    for command in _commands(args, store, status.get("feeds", {})):
        send(store.folder, command, timeout_s=args.wait)
    if args.json:
        print(json.dumps({"done": args.what, "feeds": args.feeds}))
    return 0


def _commands(
    args: argparse.Namespace, store: Store, feeds: Mapping[str, Any]
) -> list[dict[str, Any]]:
    if args.what != "rule" and (has_rule_options(args) or args.from_file):
        raise SettingError(f"options of a rule go with: lab feeds rule, not {args.what}")
    if args.from_file and has_rule_options(args):
        raise SettingError("--from-file takes the rule of the feeds file; give no other settings")
    if args.what in _OF_ALL:
        if args.feeds:
            raise SettingError(f"{args.what} is for all feeds; name none")
        return [{"do": _OF_ALL[args.what]}]
    if not args.feeds:
        raise SettingError(f"name the feeds to {args.what} by their ids: {', '.join(feeds)}")
    for feed_id in args.feeds:
        if feed_id not in feeds:
            raise SettingError(f"no feed {feed_id!r} is watched; {closest(feed_id, list(feeds))}")
    if args.from_file:
        return [{"do": "rule_of_file", "feed": feed_id} for feed_id in args.feeds]
    if args.what == "rule":
        return [_rule_command(args, store, feed_id, feeds[feed_id]) for feed_id in args.feeds]
    return [{"do": _OF_A_FEED[args.what], "feed": feed_id} for feed_id in args.feeds]


@dataclass
class _Current:
    """What options of a rule change."""

    store: Store
    default_rule: Rule


def _rule_command(
    args: argparse.Namespace, store: Store, feed_id: str, feed: Mapping[str, Any]
) -> dict[str, Any]:
    if not has_rule_options(args):
        raise SettingError(
            "say what to change, such as --enter-threshold 0.5, or --rule NAME, or --from-file"
        )
    rule = rule_of(args, _Current(store, Rule.from_dict(feed["rule"])))
    saved = {row["name"]: row["rule"] for row in store.rules()} if args.rule else {}
    name = args.rule if args.rule in saved and saved[args.rule] == rule else None
    return {"do": "rule", "feed": feed_id, "rule": rule.to_dict(), "name": name}


def _list(status: Mapping[str, Any] | None, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"feeds": {}, "sinks": {}} if status is None else status, indent=1))
    elif status is None:
        print("nobody watches the feeds of this store")
    else:
        for line in feed_lines(status):
            print(line)
        age_s = max(0.0, time.time() - status.get("written", 0.0))
        where = status.get("file") or "the app's feeds"
        print(f"{where}, watched by process {status.get('pid')}, {age_s:.0f} s ago")
        if status.get("problem"):
            print(status["problem"])
    return 0


def add(command: Command) -> list[argparse.ArgumentParser]:
    """The command; gives its parser, for the options that all share."""
    f = command(
        "feeds", _feeds, "How the feeds that are watched are, and what they are to do.",
        "lab feeds list\n         lab feeds stop gate\n"
        "         lab feeds rule gate --enter-threshold 0.5",
    )  # fmt: skip
    f.add_argument("what", choices=["list", *_OF_A_FEED, "rule", *_OF_ALL, "schema"],
                   help="now: analyse a sample at once; rule: decide by another rule from now on; "
                   "reload: read the feeds file again; shut-down: end the process that "
                   "watches; schema: print the JSON Schema of a feeds file")  # fmt: skip
    f.add_argument("feeds", nargs="*", metavar="ID", help="ids of feeds")
    f.add_argument("--wait", type=float, default=10.0, metavar="S",
                   help="how long to wait until it was done; default: 10")  # fmt: skip
    f.add_argument("--from-file", action="store_true",
                   help="rule: decide by the rule of the feeds file again, not by the one that was "
                   "set here")  # fmt: skip
    add_rule_options(f)
    return [f]
