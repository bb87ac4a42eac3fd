"""Options for a rule, and the options that describe a given rule."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Callable
from typing import Any

from lab.rules.parameters import Kind, RuleParameter
from lab.rules.rule import Rule, rule_parameters

_TYPES: dict[Kind, Callable[[str], Any]] = {
    "score": float, "samples": int, "seconds": float, "fraction": float, "choice": str,
}  # fmt: skip


def _options() -> dict[str, RuleParameter]:
    """The settings that have an option; polygons need a file."""
    return {name: p for name, p in rule_parameters().items() if p.kind in _TYPES}


def add_rule_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each setting of a rule."""
    group = parser.add_argument_group("rule", "for every label; the rest stays at its default")
    for name, p in _options().items():
        metavar = "|".join(p.choices) if p.choices else {"samples": "N", "seconds": "S"}.get(p.kind)
        group.add_argument(
            _flag(name), type=_TYPES[p.kind], metavar=metavar, help=f"{p.text} ({p.default_words})"
        )
    group.add_argument("--rule", metavar="NAME|FILE", help="a saved rule, or a JSON or YAML file")
    group.add_argument("--only", metavar="LABELS", help="only these labels, separated by commas")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _changes(args: argparse.Namespace) -> dict[str, Any]:
    return {n: getattr(args, n) for n in _options() if getattr(args, n) is not None}


def has_rule_options(args: argparse.Namespace) -> bool:
    """Whether any option describes a rule."""
    return bool(_changes(args)) or args.rule is not None or args.only is not None


def rule_of(args: argparse.Namespace, run: Any, *, start: Rule | None = None) -> Rule:
    """The named rule, else `start`, else the run's default, with the options applied.

    Raises SettingError.
    """
    if args.rule is not None:
        start = named_rule(args.rule, run.store)
    return _with_options(args, run.default_rule if start is None else start)


def _with_options(args: argparse.Namespace, rule: Rule) -> Rule:
    changes = _changes(args)
    if changes:
        rule = rule.changed(**changes)
    if args.only is not None:
        rule = dataclasses.replace(rule, only=tuple(sorted(set(split(args.only) or ()))))
    return rule


def rule_arguments(rule: Rule, start: Rule) -> list[str] | None:
    """The options that turn `start` into `rule`; None if it needs a file.

    start: the run's default rule. The options returned were parsed again and gave `rule`.
    """
    wanted = {**rule.default.debounce.settings(), **rule.default.box_filter.to_dict()}
    words: list[str] = []
    result, options = start, _options()
    # The default of one setting may follow another: compare again after the first round.
    for _ in range(2):
        got = {**result.default.debounce.settings(), **result.default.box_filter.to_dict()}
        words += [
            f"{_flag(n)}={wanted[n]}" for n in options if n in wanted and wanted[n] != got.get(n)
        ]
        result = _read(words, start)
    if rule.only is not None:
        words.append(f"--only={','.join(sorted(rule.only))}")
        result = _read(words, start)
    return words if result.to_dict() == rule.to_dict() else None


def _read(words: list[str], start: Rule) -> Rule:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_rule_options(parser)
    return _with_options(parser.parse_args(words), start)


def named_rule(name: str, store: Any) -> Rule:
    """See `lab.jobs.document.rules.named_rule`."""
    from lab.jobs.document import rules

    return rules.named_rule(name, store)


def note_unfinished(run: Any) -> None:
    """Print on standard error which added prompts do not cover every sample yet."""
    if run.log.adding:
        names = " ".join(map(shlex.quote, run.log.adding))
        print(
            f"lab: note: not run on every sample yet: {', '.join(run.log.adding)}; "
            f"continue with: lab prompts {run.run_id} {names}",
            file=sys.stderr,
        )


def split(text: str | None) -> list[str] | None:
    """Parts between commas, without surrounding space; None stays None."""
    return None if text is None else [part.strip() for part in text.split(",")]
