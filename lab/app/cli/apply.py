"""`apply`: one rule for all clips of a protocol."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lab.app.cli.rule_options import named_rule
from lab.counted import counted
from lab.errors import SettingError

if TYPE_CHECKING:
    from lab.runs.apply import Applied

Command = Callable[..., argparse.ArgumentParser]

_MOST_ROWS = 20


def _apply(args: argparse.Namespace) -> int:
    from lab.store.store import Store

    store = Store(args.store)
    if args.undo:
        return _undo(args, store)
    if args.rule is None:
        raise SettingError("name the rule to apply: a saved one, or a JSON or YAML file")
    from lab.runs.apply import apply

    saved = next((row for row in store.rules() if row["name"] == args.rule), None)
    rule = named_rule(args.rule, store)
    is_saved = saved is not None and saved["rule"] == rule
    bar = progress_bar()
    found = apply(
        store,
        rule,
        args.protocol,
        name=args.rule if is_saved else None,
        run_id=saved["run_id"] if saved is not None and is_saved else None,
        preview=args.preview,
        progress=bar,
    )
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        _print(found, args.all)
    for one in found.left_out:
        print(f"lab: left out: {one.clip}, run {one.run_id}: {one.reason}", file=sys.stderr)
    return 1 if any(one.state == "done" for one in found.left_out) else 0


def _undo(args: argparse.Namespace, store: Any) -> int:
    from lab.runs.apply import protocol_named

    if args.rule is not None or args.preview:
        raise SettingError("--undo takes no rule and no --preview: it goes back to the rule before")
    protocol = protocol_named(store, args.protocol)
    current = store.undo_current_rule(protocol)
    if args.json:
        row = None if current is None else current.to_dict()
        print(json.dumps({"protocol_hash": protocol, "current": row}, indent=1))
    elif current is None:
        print(f"protocol {protocol}: no rule is current")
    else:
        print(f"protocol {protocol}: {current.title} is current again")
    return 0


def progress_bar() -> Callable[[int, int], None] | None:
    """Reports clips done of all on a terminal; None where there is none."""
    if not sys.stderr.isatty():
        return None
    from tqdm.auto import tqdm

    bar = tqdm(unit="clip", leave=False)

    def report(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return report


def _print(found: Applied, all_rows: bool) -> None:
    rows = sorted(found.clips, key=lambda one: -one.changed)
    shown = rows if all_rows else rows[:_MOST_ROWS]
    print(f"{'clip':<40} {'before':>7} {'after':>7} {'changed':>8}")
    for one in shown:
        print(f"{one.clip:<40} {one.before:>7} {one.after:>7} {one.changed:>8}")
    if len(rows) > len(shown):
        print(f"and {len(rows) - len(shown)} more; all with --all or --json")
    title = found.name or f"rule {found.rule.rule_hash[:6]}"
    was = "no rule was current" if found.previous is None else f"before: {found.previous.title}"
    print(
        f"{title} on {counted(found.clip_count, 'clip')} of protocol "
        f"{found.protocol_hash} ({was}): {counted(found.after, 'sighting')}, before "
        f"{found.before:,}; {found.changed:,} changed, in {counted(found.changed_clips, 'clip')}"
    )
    print("nothing was saved" if found.is_preview else "saved, and current now")


def add(command: Command) -> list[argparse.ArgumentParser]:
    a = command("apply", _apply, "Apply a rule to all clips that were analysed alike.",
                "lab apply otters --protocol 3f2a --preview")  # fmt: skip
    a.add_argument("rule", nargs="?", metavar="RULE", help="a saved rule, or a JSON or YAML file")
    a.add_argument(
        "--protocol",
        metavar="HASH",
        help="of the runs, or the beginning of it (default: the only one of the store)",
    )
    what = a.add_mutually_exclusive_group()
    what.add_argument("--preview", action="store_true", help="say what would change, save nothing")
    what.add_argument("--undo", action="store_true", help="go back to the rule before")
    a.add_argument("--all", action="store_true", help=f"list all clips, not only {_MOST_ROWS}")
    return [a]
