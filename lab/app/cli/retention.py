"""`retention`: what of a store may go by age and size, and its removal."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lab.counted import counted
from lab.errors import SettingError, printable
from lab.retention.kinds import KINDS, ONLY, REASONS
from lab.retention.sizes import size

if TYPE_CHECKING:
    from lab.retention.plan import KindPlan, Plan
    from lab.retention.policy import KindPolicy
    from lab.retention.tally import Removed

Command = Callable[..., argparse.ArgumentParser]
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_AGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(d|h|w|y)?", re.IGNORECASE)
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "y": 365}


def _retention(args: argparse.Namespace) -> int:
    from lab.retention.plan import preview
    from lab.retention.policy import KindPolicy, Policy, read_policy, write_policy
    from lab.retention.removal import apply
    from lab.store.store import Store

    store = Store(args.store)
    policy = read_policy(store)
    given = _given(args)
    if args.kind is None and (given or args.off or args.save):
        raise SettingError(f"name the kind of files that this is for: {', '.join(KINDS)}")
    if args.kind is not None:
        policy.of(args.kind)
        if args.off and given:
            raise SettingError("--off takes no conditions: the kind stays as it is")
        if given or args.off:
            policy = policy.with_kind(args.kind, KindPolicy(**given))
        if args.save or args.off:
            write_policy(store, policy)
        policy = Policy(**{args.kind: policy.of(args.kind)})
    plan = preview(store, policy)
    done = None
    if args.apply:
        done = apply(store, plan, progress=_bar())
    if args.json:
        report = plan.to_dict() | ({} if done is None else {"removed": done.to_dict()})
        print(json.dumps(report, indent=1))
    else:
        _print_plan(plan, args.kind, all_kinds=args.kind is None)
        if done is not None:
            _print_done(done)
        else:
            _print_way_out(plan)
    for line in () if done is None else done.problems:
        print(f"lab: {printable(line)}", file=sys.stderr)
    return 1 if done is not None and done.problems else 0


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The conditions that were given."""
    found = {
        "older_than_days": None if args.older_than is None else _days(args.older_than),
        "larger_than_bytes": None if args.larger_than is None else _bytes(args.larger_than),
        "only": args.only,
        "unapplied": args.unapplied or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _days(text: str) -> float:
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise SettingError(f"an age is a number of days, or such as 12h, 4w or 1y, got {text!r}")
    return float(found[1]) * _DAYS[(found[2] or "d").lower()]


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise SettingError(f"a size is a number of bytes, or such as 500M, 20G or 1T, got {text!r}")
    return round(float(found[1]) * _UNITS[found[2].upper()])


def _print_plan(plan: Plan, kind: str | None, *, all_kinds: bool) -> None:
    print(f"{'kind':<36} {'there':>9} {'bytes':>11} {'would go':>9} {'bytes':>11}  policy")
    for name, one in plan.kinds.items():
        if all_kinds or name == kind:
            print(
                f"{name:<10} {'(' + KINDS[name].title.lower() + ')':<25} {one.count:>9,} "
                f"{size(one.size_bytes):>11} {len(one.going):>9,} {size(one.going_bytes):>11}  "
                f"{policy_in_words(one.policy)}"
            )
    for name, one in plan.kinds.items():
        if one.going or one.kept:
            _print_kind(name, one)


def _print_kind(name: str, one: KindPlan) -> None:
    kind = KINDS[name]
    if one.going:
        print(f"\n{counted(len(one.going), kind.one, kind.many)} would go. {kind.goes}")
        for item in one.going[:3]:
            stopped = ", its removal was interrupted" if item.is_stopped else ""
            print(
                f"  {printable(item.name)} ({size(item.size_bytes)}, of "
                f"{item.since_utc:%Y-%m-%d}{stopped})"
            )
        if len(one.going) > 3:
            print(f"  and {len(one.going) - 3:,} more")
        if one.made_again:
            print(one.made_again)
    for why, kept in one.kept.items():
        print(
            f"kept: {counted(kept.count, kind.one, kind.many)} ({size(kept.size_bytes)}): "
            f"{REASONS[why]}; such as {printable(kept.examples[0])}"
        )
    if one.over_bytes:
        print(f"note: {kind.many} stay {size(one.over_bytes)} above the size that was given")


def policy_in_words(policy: KindPolicy) -> str:
    """Such as `older than 90 days, or beyond 20.00 GiB; only in which no rule found anything`."""
    if not policy.is_active:
        return "all stay"
    parts = []
    if policy.older_than_days is not None:
        parts.append(f"older than {policy.older_than_days:g} days")
    if policy.larger_than_bytes is not None:
        parts.append(f"the oldest beyond {size(policy.larger_than_bytes)}")
    only = "" if policy.only is None else f"; only those {ONLY[policy.only]}"
    unapplied = "; also where no rule was applied" if policy.unapplied else ""
    return " or ".join(parts) + only + unapplied


def _print_way_out(plan: Plan) -> None:
    if plan.count:
        print(f"\nnothing was removed; {size(plan.size_bytes)} go with: --apply")
    elif plan.policy.is_active:
        print("\nnothing would go")
    else:
        print(
            "\nno policy: all stay. For example: "
            "lab retention logs --older-than 365 --larger-than 50G --save"
        )


def _print_done(done: Removed) -> None:
    parts = [
        f"{counted(n, KINDS[kind].one, KINDS[kind].many)} ({size(done.size_bytes[kind])})"
        for kind, n in done.counts.items()
    ]
    print(f"\nremoved: {', '.join(parts) or 'nothing'}")
    for kind, found in done.kept.items():
        for why, n in found.items():
            what = counted(n, KINDS[kind].one, KINDS[kind].many)
            print(f"kept after all: {what}: {REASONS[why]}")


def _bar() -> Callable[[int, int], None] | None:
    """Reports on a terminal; None where there is none."""
    if not sys.stderr.isatty():
        return None
    from tqdm.auto import tqdm

    bar = tqdm(leave=False)

    def report(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return report


def add(command: Command) -> list[argparse.ArgumentParser]:
    r = command("retention", _retention,
                "What may go by age and size, and what is kept; nothing goes without --apply.",
                "lab retention logs --older-than 365 --larger-than 50G --save")  # fmt: skip
    r.add_argument("kind", nargs="?", metavar="KIND",
                   help=f"{', '.join(KINDS)} (default: all, by the saved policy)")  # fmt: skip
    r.add_argument("--older-than", metavar="AGE", help="in days, or such as 12h, 4w, 1y")
    r.add_argument("--larger-than", metavar="SIZE",
                   help="of all of the kind, such as 500M or 20G: the oldest go")  # fmt: skip
    r.add_argument("--only", metavar="WHICH", help=f"a further condition: {', '.join(ONLY)}")
    r.add_argument("--unapplied", action="store_true",
                   help="logs: also of runs to which no rule was applied")  # fmt: skip
    r.add_argument("--save", action="store_true", help="keep this as the policy of the kind")
    r.add_argument("--off", action="store_true", help="keep that all of the kind stay")
    r.add_argument("--apply", action="store_true", help="remove what would go")
    return [r]
