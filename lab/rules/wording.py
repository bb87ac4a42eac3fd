"""Settings of a rule as pages say them: the names of the sliders, and values in few digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.rules.parameters import RuleParameter
from lab.rules.rule import LabelRule, rule_parameters


def setting_in_words(name: str, value: Any, *, exact: bool = False) -> str:
    """One setting with its value, such as `Exit below 0.19` or `Enter after 3 samples`.

    exact: with all digits of a score or a time, where fewer would decide otherwise.

    Raises KeyError for a setting that no rule has.
    """
    declared = rule_parameters()[name]
    title = declared.title.removesuffix(", s").replace("…", "")
    said = value_in_words(declared, value)
    if exact and declared.kind in ("score", "seconds"):
        said = f"{declared.in_words(value)} {declared.unit}".strip()
    return f"{title[:1].upper()}{title[1:]} {said}"


def changes_in_words(settings: Mapping[str, Any]) -> str:
    """Settings by name as one sentence without a full stop, in the order of the sliders."""
    order = list(rule_parameters())
    worded = [setting_in_words(n, settings[n]) for n in sorted(settings, key=order.index)]
    return ", ".join([*worded[:1], *(one[:1].lower() + one[1:] for one in worded[1:])])


def rule_in_words(rule: LabelRule, than: LabelRule | None = None) -> str:
    """What a rule does, without settings that do nothing.

    than: only the settings in which the rule differs from this one; empty if it does not.
    """
    if than is None:
        return changes_in_words(_effective(rule))
    before, now = _used(than), _used(rule)
    changed = {n: v for n, v in now.items() if before.get(n) != v}
    if _window_follows(now) and _window_follows(before):
        changed.pop("enter_window", None)
    return changes_in_words(changed)


def score_in_words(score: float) -> str:
    """A score with two digits; with three near 0 and 1, where two say too little."""
    return f"{score:.2f}" if 0.095 <= score < 0.995 or score in (0, 1) else f"{score:.3f}"


def value_in_words(declared: RuleParameter, value: Any) -> str:
    """A value with its unit."""
    if declared.kind == "polygons":
        return f"{len(value)} polygon" + ("" if len(value) == 1 else "s")
    if declared.kind == "score":
        return score_in_words(value)
    if declared.kind == "choice":
        return declared.said.format(value)
    if declared.kind == "fraction":
        return f"{100 * value:.3g} % of the picture"
    if declared.kind == "samples":
        return f"{int(value):d} sample" + ("" if value == 1 else "s")
    return f"{value:.3g} s"


def _used(rule: LabelRule) -> dict[str, Any]:
    """Every setting but the counts in whose place seconds are given."""
    settings = {**rule.debounce.settings(), **rule.box_filter.to_dict()}
    declared = rule_parameters()
    replaced = {declared[n].instead_of for n in settings} - {None}
    return {
        n: v
        for n, v in settings.items()
        if n not in replaced and declared[n].follows not in replaced
    }


def _effective(rule: LabelRule) -> dict[str, Any]:
    """The settings that do something; a window as long as its count is not said."""
    settings, declared = _used(rule), rule_parameters()
    off = {n for n, v in settings.items() if declared[n].is_off(v)}
    off |= {n for n in settings if declared[n].needs in off}
    if _window_follows(settings):
        off.add("enter_window")
    return {n: v for n, v in settings.items() if n not in off}


def _window_follows(settings: Mapping[str, Any]) -> bool:
    """Whether all samples of the window must be over, so that it says nothing of its own."""
    return settings.get("enter_window") == settings.get("enter_frames")
