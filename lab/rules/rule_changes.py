"""What one rule sets differently from another, in the words of the sliders."""

from __future__ import annotations

from typing import Any

from lab.rules.parameters import RuleParameter
from lab.rules.rule import LabelRule, Rule, rule_parameters
from lab.rules.wording import value_in_words

_Settings = dict[str, tuple[RuleParameter, Any]]


def rule_changes(before: Rule, after: Rule) -> list[str]:
    """Each setting that is another, such as `Enter at 0.40 → 0.55`, in the order of the sliders.

    Those of a label that has a rule of its own begin with it: `cat: Merge gap 0 s → 2 s`. A
    setting that follows another in both rules is not said.
    """
    changed = _changes(before.default, after.default)
    for label in sorted({*before.labels, *after.labels}):
        own = _changes(before.of(label), after.of(label))
        changed += [f"{label}: {words}" for words in own]
    if before.only != after.only:
        changed.append(f"Labels {_labels(before)} → {_labels(after)}")
    return changed


def _changes(before: LabelRule, after: LabelRule) -> list[str]:
    old, new = _settings(before), _settings(after)
    following = _following(old) & _following(new)
    return [
        _change(*old[name], *new[name])
        for name in rule_parameters()
        if name in old and name in new and name not in following and old[name] != new[name]
    ]


def _settings(rule: LabelRule) -> _Settings:
    """Every setting by its slider: seconds stand in the place of the counts that they replace."""
    given = {**rule.debounce.settings(), **rule.box_filter.to_dict()}
    declared = rule_parameters()
    replaced = {declared[name].instead_of for name in given}
    return {
        declared[name].instead_of or name: (declared[name], value)
        for name, value in given.items()
        if name not in replaced
    }


def _following(settings: _Settings) -> set[str]:
    """The settings that have the value of the one that they follow."""
    return {
        name
        for name, (declared, value) in settings.items()
        if declared.follows in settings and settings[declared.follows][1] == value
    }


def _change(was: RuleParameter, old: Any, now: RuleParameter, new: Any) -> str:
    title = now.title.removesuffix(", s").replace("…", "")
    title = title[:1].upper() + title[1:]
    before, after = value_in_words(was, old), value_in_words(now, new)
    if before == after:  # the digits or the number of zones do not tell them apart
        if now.kind == "polygons":
            return f"{title} drawn otherwise"
        before, after = was.in_words(old), now.in_words(new)
    return f"{title} {before} → {after}"


def _labels(rule: Rule) -> str:
    return "all" if rule.only is None else ", ".join(sorted(rule.only)) or "none"
