"""The settings of a rule, wherever a command takes one."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from typing import Any

from lab.errors import SettingError

_RULE_OPTIONS: list[tuple[str, Callable[[str], Any], str]] = [
    ("--enter-threshold", float, "a sample with this score or more is over"),
    ("--exit-threshold", float, "a sample with less is under (as enter, unless given)"),
    ("--enter-frames", int, "over samples that open a sighting (3)"),
    ("--enter-window", int, "among the last so many samples (as enter-frames)"),
    ("--exit-frames", int, "consecutive under samples that close it (5)"),
    ("--enter-s", float, "instead of enter-frames, in seconds"),
    ("--exit-s", float, "instead of exit-frames, in seconds"),
    ("--min-duration-s", float, "drop shorter sightings (0)"),
    ("--merge-gap-s", float, "continue a sighting that ended at most so long ago (0)"),
    ("--cooldown-s", float, "silence alerts for so long; sightings stay (0)"),
    ("--cooldown-from", str, "count the cooldown from: start, end (start)"),
]


def add_rule_options(parser: argparse.ArgumentParser) -> None:
    """The settings of a rule, wherever a command takes one."""
    group = parser.add_argument_group("rule", "for every label; the rest stays at its default")
    for flag, kind, text in _RULE_OPTIONS:
        group.add_argument(flag, type=kind, default=None, help=text)
    group.add_argument("--rule", metavar="NAME|FILE", help="a saved rule, or a JSON or YAML file")
    group.add_argument("--only", metavar="LABELS", help="only these labels, separated by commas")


def asks_for_rule(args: argparse.Namespace) -> bool:
    """Whether an option says anything about the rule."""
    names = [flag.removeprefix("--").replace("-", "_") for flag, _, _ in _RULE_OPTIONS]
    return any(getattr(args, n) is not None for n in (*names, "rule", "only"))


def rule_of(args: argparse.Namespace, run: Any) -> Any:
    """The rule that the options describe, on top of the named one or the run's default."""
    from dataclasses import replace

    rule = run.default_rule if args.rule is None else named_rule(args.rule, run)
    names = [flag.removeprefix("--").replace("-", "_") for flag, _, _ in _RULE_OPTIONS]
    changes = {n: getattr(args, n) for n in names if getattr(args, n) is not None}
    if changes:
        default = replace(rule.default, debounce=rule.default.debounce.changed(**changes))
        labels = {
            label: replace(one, debounce=one.debounce.changed(**changes))
            for label, one in rule.labels.items()
        }
        rule = replace(rule, default=default, labels=labels)
    if args.only:
        rule = replace(rule, only=tuple(sorted(split(args.only) or ())))
    return rule


def named_rule(name: str, run: Any) -> Any:
    from pathlib import Path

    from lab.errors import closest
    from lab.rules.rule import Rule

    if Path(name).is_file():
        import yaml

        try:
            return Rule.from_dict(yaml.safe_load(Path(name).read_text()))
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise SettingError(f"{name} is neither JSON nor YAML ({error})") from None
    saved = {row["name"]: row["rule"] for row in run.store.rules()}
    if name not in saved:
        raise SettingError(
            f"no rule {name!r}, neither saved nor a file; {closest(name, list(saved))}"
        )
    return saved[name]


def note_unfinished(run: Any) -> None:
    """Say on stderr which prompts have not been looked for on every sample."""
    if run.log.adding:
        names = " ".join(map(shlex.quote, run.log.adding))
        print(
            f"lab: note: not looked for everywhere yet: {', '.join(run.log.adding)}; go on with: lab prompts {run.run_id} {names}",
            file=sys.stderr,
        )


def split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",")]
