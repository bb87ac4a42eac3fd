"""The rule of a feed in a feeds file: `debounce`, as in detstream, or `rule`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import SettingError
from lab.feeds.block import Block
from lab.feeds.feed import COOLDOWN_S, EVERY_S
from lab.jobs.document.rules import named_rule, rule_of
from lab.jobs.document.schema import error_context
from lab.jobs.document.text import json_path
from lab.rules.parameters import parameters_of
from lab.rules.rule import Debounce, LabelRule, Rule

if TYPE_CHECKING:
    from lab.store.store import Store

RATES = ("sample_interval_s", "tee_fps")


def every_s_of(feed: Block, debounce: Block, notes: list[str]) -> float:
    """Seconds between samples. notes: takes what is to be said of keys without effect."""
    if debounce.plain_number("tee_fps"):
        notes.append(
            "debounce.tee_fps has no effect: clips are cut from all frames that were received"
        )
    if "every_s" in feed and "sample_interval_s" in debounce:
        raise feed.error(
            None, "every_s and debounce.sample_interval_s say the same; give one of them"
        )
    every_s = feed.number("every_s", EVERY_S, is_above=True)
    return debounce.number("sample_interval_s", every_s, is_above=True)


def gives_rule(debounce: Block) -> bool:
    """Whether it says anything of the rule, beside how often a feed is analysed."""
    return any(key not in RATES for key in debounce.values)


def feed_rule(
    feed: Block, debounce: Block, threshold: float, folder: Path, store: Store | None
) -> tuple[Rule, str | None]:
    """The rule, and its name where it was named.

    threshold: where the rule gives none. folder: what the path of a rule is relative to. store:
    where a named rule that is no file is saved.
    """
    settings = {k: _plain(debounce, k) for k in debounce.values if k not in RATES}
    known = [*parameters_of(Debounce), *RATES]
    debounce.check_keys(known)
    if "rule" not in feed:
        return _of_debounce(debounce, settings, threshold), None
    if settings:
        raise feed.error(None, f"give {next(iter(settings))} in debounce, or a rule, not both")
    given = feed.values["rule"]
    if isinstance(given, str):
        return _named(feed, given, folder, store), given
    place = json_path((*feed.place, "rule"))
    rule = feed.block("rule")
    rule.check_keys(("default", "labels", "only"))
    with error_context(place):
        return rule_of(_with_cooldown(rule.values), threshold, "rule"), None


def _of_debounce(debounce: Block, settings: dict[str, Any], threshold: float) -> Rule:
    both = {"enter_threshold", "confidence_threshold"}.isdisjoint(settings)
    given = {"cooldown_s": COOLDOWN_S} | ({"enter_threshold": threshold} if both else {}) | settings
    with error_context(json_path(debounce.place)):
        return Rule(default=LabelRule(debounce=Debounce.from_dict(given)))


def _plain(debounce: Block, key: str) -> Any:
    """A value in its own type: a variable gives a number as text."""
    declared = parameters_of(Debounce).get(key)
    if declared is None or declared.kind == "choice":
        return debounce.values[key]
    return debounce.plain_number(key)


def _named(feed: Block, name: str, folder: Path, store: Store | None) -> Rule:
    path = folder / Path(name).expanduser()
    try:
        if path.is_file():
            return named_rule(str(path), store)
        if store is None:
            raise SettingError(f"there is no file {path}; without a store no saved rule is known")
        return named_rule(name, store)
    except SettingError as error:
        raise feed.error("rule", str(error)) from None


def _with_cooldown(settings: Any) -> dict[str, Any]:
    """Settings of a rule with the cooldown of feeds where they give none."""

    def one(given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        if "debounce" in given or "box_filter" in given:
            return {**given, "debounce": {"cooldown_s": COOLDOWN_S, **given.get("debounce", {})}}
        return {"cooldown_s": COOLDOWN_S, **given}

    filled = dict(settings)
    filled["default"] = one(settings.get("default") or {})
    if isinstance(settings.get("labels"), dict):
        filled["labels"] = {label: one(rule) for label, rule in settings["labels"].items()}
    return filled
