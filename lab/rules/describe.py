"""A rule in words, for methods sections and reports."""

from __future__ import annotations

from lab.rules.rule import LabelRule, Rule, rule_parameters


def describe(rule: Rule) -> dict[str, str]:
    """What a rule does, made from its declared settings; those without effect are left out.

    Returns a sentence without a full stop for "every label" (or "every other label") and for each
    label that has its own rule, and one for "labels" if the rule names those to look for.
    """
    sentences = {"every other label" if rule.labels else "every label": _sentence(rule.default)}
    sentences |= {label: _sentence(rule.labels[label]) for label in sorted(rule.labels)}
    if rule.only is not None:
        sentences["labels"] = f"only {', '.join(sorted(rule.only)) or 'none'}"
    return sentences


def _sentence(rule: LabelRule) -> str:
    settings = {**rule.debounce.to_dict(), **rule.box_filter.to_dict()}
    declared = rule_parameters()
    replaced = {declared[name].instead_of for name in settings}
    off = {n for n, v in settings.items() if declared[n].is_off(v)}
    off |= {n for n in settings if declared[n].needs in off}
    order = list(declared)
    used = [n for n in declared if n in settings and n not in off | replaced]
    used.sort(key=lambda n: order.index(declared[n].instead_of or n))
    return "; ".join(declared[n].sentence.format(declared[n].in_words(settings[n])) for n in used)
