"""The rule: what turns a score log into sightings.

A rule is a pure value. It never touches the model, so it can be changed, swept and compared
over a finished run at no cost.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.errors import SettingError, closest
from lab.rules.box_filter import BoxFilter
from lab.rules.debounce import THRESHOLD_DEFAULT, Debounce, seconds_to_us
from lab.rules.parameters import RuleParameter, check_keys, parameters_of

__all__ = [
    "THRESHOLD_DEFAULT",
    "Debounce",
    "LabelRule",
    "Rule",
    "rule_parameters",
    "seconds_to_us",
]


def rule_parameters() -> dict[str, RuleParameter]:
    """Every setting that a label's rule has, by name: of its debounce, then of its box filter."""
    return {**parameters_of(Debounce), **parameters_of(BoxFilter)}


def _are_labels(value: Any) -> bool:
    return isinstance(value, Sequence | Mapping) and all(isinstance(v, str) for v in value)


@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """The rule of one label."""

    debounce: Debounce = field(default_factory=Debounce)
    box_filter: BoxFilter = field(default_factory=BoxFilter)

    def changed(self, **changes: Any) -> LabelRule:
        """A copy with other settings, of either part; see `Debounce.changed`.

        Raises SettingError for unknown settings and values out of range.
        """
        boxes = {n: v for n, v in changes.items() if n in parameters_of(BoxFilter)}
        rest = {n: v for n, v in changes.items() if n not in boxes}
        return LabelRule(
            debounce=self.debounce.changed(**rest), box_filter=self.box_filter.changed(**boxes)
        )

    def to_dict(self) -> dict[str, Any]:
        return {"debounce": self.debounce.to_dict(), "box_filter": self.box_filter.to_dict()}

    @classmethod
    def from_dict(
        cls, settings: Mapping[str, Any], threshold: float = THRESHOLD_DEFAULT
    ) -> LabelRule:
        """threshold: where the settings give none. Raises SettingError for unknown keys and values
        out of range.
        """
        check_keys(settings, [f.name for f in dataclasses.fields(cls)], "rule of a label")
        debounce = settings.get("debounce", {})
        if isinstance(debounce, Mapping) and debounce.get("confidence_threshold") is None:
            debounce = {"enter_threshold": threshold, **debounce}
        return cls(
            debounce=Debounce.from_dict(debounce),
            box_filter=BoxFilter.from_dict(settings.get("box_filter", {})),
        )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What turns a score log into sightings: a default, and exceptions by label.

    default: for each label that has no rule of its own.
    labels: label to its own rule.
    only: the labels to look for; None for all of the run.
    """

    default: LabelRule = field(default_factory=LabelRule)
    labels: Mapping[str, LabelRule] = field(default_factory=dict)
    only: tuple[str, ...] | None = None

    def of(self, label: str) -> LabelRule:
        """The rule of one label."""
        return self.labels.get(label, self.default)

    def changed(self, **changes: Any) -> Rule:
        """A copy with other settings for every label, also for those with rules of their own.

        Raises SettingError for unknown settings and values out of range.
        """
        return dataclasses.replace(
            self,
            default=self.default.changed(**changes),
            labels={label: one.changed(**changes) for label, one in self.labels.items()},
        )

    def wanted(self, labels: Sequence[str]) -> list[str]:
        """Those of `labels` that the rule looks for, sorted.

        Raises SettingError if it names a label that is not among them.
        """
        for label in (*(self.only or ()), *self.labels):
            if label not in labels:
                raise SettingError(
                    f"the run has no label {label!r}; {closest(label, list(labels))}"
                )
        return sorted(set(labels) if self.only is None else set(self.only))

    def check_floor(self, score_floor: float) -> None:
        """Raises SettingError if a threshold lies below what the log kept."""
        for name, rule in [("", self.default), *self.labels.items()]:
            lowest = rule.debounce.exit_threshold
            if lowest < score_floor:
                where = f" of {name!r}" if name else ""
                raise SettingError(
                    f"the exit threshold{where} is {lowest}, below the run's score floor "
                    f"{score_floor}: the log cannot answer it; analyse again with a lower floor"
                )

    @property
    def rule_hash(self) -> str:
        """Equal for rules with the same settings."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        return {
            "default": self.default.to_dict(),
            "labels": {label: self.labels[label].to_dict() for label in sorted(self.labels)},
            "only": None if self.only is None else sorted(self.only),
        }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any], threshold: float = THRESHOLD_DEFAULT) -> Rule:
        """threshold: where the settings of a label, or of the default, give none.

        Raises SettingError for unknown keys and values out of range.
        """
        check_keys(settings, [f.name for f in dataclasses.fields(cls)], "rule")
        only, labels = settings.get("only"), settings.get("labels", {})
        if only is not None and (isinstance(only, str) or not _are_labels(only)):
            raise SettingError(f"only must be a list of labels, got {only!r}")
        if not isinstance(labels, Mapping) or not _are_labels(labels):
            raise SettingError(f"labels must map labels to rules, got {labels!r}")
        return cls(
            default=LabelRule.from_dict(settings.get("default", {}), threshold),
            labels={k: LabelRule.from_dict(v, threshold) for k, v in labels.items()},
            only=None if only is None else tuple(sorted(set(only))),
        )

    @classmethod
    def coerce(cls, rule: Rule | Debounce | Mapping[str, Any] | None) -> Rule:
        """A rule from a rule, a debounce for all labels, settings as of `to_dict`, or None.

        Raises SettingError for unknown keys and values out of range.
        """
        if rule is None:
            return cls()
        if isinstance(rule, Rule):
            return rule
        if isinstance(rule, Debounce):
            return cls(default=LabelRule(debounce=rule))
        return cls.from_dict(rule)
