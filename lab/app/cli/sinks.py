"""`sinks`: where feeds tell what they see, and whether that works."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.errors import SettingError, closest
from lab.feeds.status import read_status
from lab.sinks.make import type_of
from lab.sinks.registered import sinks
from lab.sinks.trial import try_sink

Command = Callable[..., argparse.ArgumentParser]
_FILE = "feeds.yaml"


def _sinks(args: argparse.Namespace) -> int:
    named = _named(args.feeds)
    if args.what == "list":
        if args.name is not None:
            raise SettingError("lab sinks list takes no name")
        return _list(named, args)
    if args.name is None:
        raise SettingError(f"name the sink to test; {closest('', list(named) or sinks.names())}")
    return _test(named, args)


def _named(path: str | None) -> Mapping[str, Mapping[str, Any]]:
    """The sinks of a feeds file; none where no file was named, and none is here."""
    from lab.feeds.feeds_file import read_feeds_file

    if path is None and not Path(_FILE).is_file():
        return {}
    found = read_feeds_file(path or _FILE)
    return {**found.sinks, **found.unused_sinks}


def _list(named: Mapping[str, Mapping[str, Any]], args: argparse.Namespace) -> int:
    from lab.store.store import Store

    status = read_status(Store(args.store).folder) or {}
    states = status.get("sinks") or {}
    if args.json:
        rows = {
            name: {"type": type_of(name, settings), **(states.get(name) or {})}
            for name, settings in named.items()
        }
        print(json.dumps({"sinks": rows, "types": sinks.names()}, indent=1))
        return 0
    for name, settings in named.items():
        print(f"{name:<16} {type_of(name, settings):<12} {_in_words(states.get(name))}")
    print(f"types: {', '.join(sinks.names())}")
    return 0


def _in_words(state: Mapping[str, Any] | None) -> str:
    if state is None:
        return "nobody watches"
    counts = (f"{state[name]} {name}" for name in ("waiting", "delivered", "failed", "dropped"))
    reason = f": {state['reason']}" if state.get("reason") else ""
    return f"{state['state']}{reason} ({', '.join(counts)})"


def _test(named: Mapping[str, Mapping[str, Any]], args: argparse.Namespace) -> int:
    """Exit code 1 if it was not delivered."""
    name = args.name
    if name not in named and name not in sinks:
        known = [*named, *sinks.names()]
        raise SettingError(f"no sink {name!r} is in the feeds file; {closest(name, known)}")
    begun = time.monotonic()
    problem = try_sink(name, named.get(name, {}))
    took_s = time.monotonic() - begun
    if args.json:
        print(json.dumps({"sink": name, "delivered": problem is None, "problem": problem}))
    elif problem is None:
        print(f"{name}: delivered in {took_s:.1f} s")
    else:
        print(f"{name}: not delivered: {problem}")
    return 0 if problem is None else 1


def add(command: Command) -> list[argparse.ArgumentParser]:
    """The command; gives its parser, for the options that all share."""
    s = command(
        "sinks", _sinks, "Where feeds tell what they see: list the sinks, send one a test.",
        "lab sinks list\n         lab sinks test discord --feeds feeds.yaml",
    )  # fmt: skip
    s.add_argument("what", choices=["list", "test"],
                   help="list: the sinks of the feeds file, how they are, and all types; test: "
                   "send an alert and an end, marked as a test, with a picture")  # fmt: skip
    s.add_argument("name", nargs="?", metavar="NAME", help="of a sink in the feeds file, or a type")
    s.add_argument("--feeds", metavar="FILE",
                   help=f"the feeds file; default: {_FILE}, if it is here")  # fmt: skip
    return [s]
