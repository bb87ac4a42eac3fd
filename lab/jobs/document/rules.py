"""Rules as a document writes them: whole, or only what differs from the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.errors import SettingError, closest
from lab.jobs.document.schema import error_context
from lab.jobs.document.text import plain_values, read_text
from lab.rules.box_filter import BoxFilter
from lab.rules.rule import Debounce, LabelRule, Rule


def rule_of(settings: Mapping[str, Any] | None, threshold: float, place: str = "rules") -> Rule:
    """The rule of a document.

    A rule of a label is `{debounce, box_filter}`, or the settings of a debounce alone.
    threshold: the detector's default; it is used where the document gives none.

    Raises SettingError that says where in the document.
    """
    given = settings or {}
    with error_context(f"{place}.default"):
        default = _label_rule(given.get("default") or {}, threshold)
    labels = {}
    for label, one in (given.get("labels") or {}).items():
        with error_context(f"{place}.labels.{label}"):
            labels[label] = _label_rule(one, threshold)
    only = given.get("only")
    return Rule(
        default=default, labels=labels, only=None if only is None else tuple(sorted(set(only)))
    )


def _label_rule(given: Mapping[str, Any], threshold: float) -> LabelRule:
    whole = given if "debounce" in given or "box_filter" in given else {"debounce": given}
    return LabelRule.from_dict(whole, threshold)


def shorthand(rule: Rule) -> dict[str, Any]:
    """The shortest settings from which `rule_of` makes this rule; thresholds are always given."""
    short: dict[str, Any] = {"default": _short(rule.default)}
    if rule.labels:
        short["labels"] = {label: _short(rule.labels[label]) for label in sorted(rule.labels)}
    if rule.only is not None:
        short["only"] = sorted(rule.only)
    return short


def _short(rule: LabelRule) -> dict[str, Any]:
    debounce, usual = rule.debounce.to_dict(), Debounce().to_dict()
    followers = {"exit_threshold": debounce["enter_threshold"]}
    if rule.debounce.enter_s is None:
        followers["enter_window"] = debounce["enter_frames"]
    left_out = {**usual, **followers}
    if rule.debounce.enter_s is not None:
        left_out.pop("enter_window")
    kept = {k: v for k, v in debounce.items() if k == "enter_threshold" or v != left_out.get(k)}
    if rule.box_filter.passes_all:
        return kept
    usual_boxes = BoxFilter().to_dict()
    boxes = {k: v for k, v in rule.box_filter.to_dict().items() if v != usual_boxes[k]}
    return {"debounce": kept, "box_filter": boxes}


def named_rule(name: str, store: Any) -> Rule:
    """A saved rule of the store, or one in a file (JSON by its ending, else YAML).

    Raises SettingError if there is neither, or the file is not a rule.
    """
    if Path(name).is_file():
        with error_context(name):
            return Rule.from_dict(plain_values(*read_text(name)))
    saved = {row["name"]: row["rule"] for row in store.rules()}
    if name not in saved:
        raise SettingError(f"no saved rule or file {name!r}; {closest(name, list(saved))}")
    found: Rule = saved[name]
    return found
