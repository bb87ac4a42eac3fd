"""The rule: what turns a score log into sightings.

A rule is a pure value. It never touches the model, so it can be changed, swept and compared
over a finished run at no cost.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from lab.errors import SettingError, closest
from lab.rules.box_filter import BoxFilter

THRESHOLD_DEFAULT = 0.4
_MAX = 1e9  # seconds or samples: 30 years, and safe in integer microseconds


def seconds_to_us(seconds: float) -> int:
    """Seconds, as a user writes them, in integer microseconds (0.1 is exactly 100,000)."""
    return round(Fraction(str(seconds)) * 1_000_000)


def _known_keys(
    cls: type, given: Mapping[str, Any], what: str, extra: tuple[str, ...] = ()
) -> None:
    if not isinstance(given, Mapping):
        raise SettingError(f"{what} must be a mapping of settings, got {type(given).__name__}")
    known = [f.name for f in dataclasses.fields(cls)] + list(extra)
    for key in given:
        if key not in known:
            raise SettingError(f"unknown setting {key!r} in {what}; {closest(key, known)}")


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SettingError(f"{name} must be a finite number, got {value!r}")
    if value > _MAX:
        raise SettingError(f"{name} must be at most {_MAX:g}, got {value:g}")
    return float(value)


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or _number(name, value) != int(value) or value < 1:
        raise SettingError(f"{name} must be a whole number of samples, 1 or more, got {value!r}")
    return int(value)


@dataclass(frozen=True, kw_only=True)
class Debounce:
    """When scores become presence, and presence an alert.

    enter_threshold: in (0, 1]; a sample with this score or more is over.
    exit_threshold: in (0, enter_threshold]; a sample with less is under. Enter unless given.
    enter_frames, enter_window: so many over samples among the last so many open a sighting
        (the window is enter_frames unless given: consecutive ones).
    exit_frames: so many consecutive under samples close it.
    enter_s, exit_s: given instead of the counts; they become ceil(seconds / every_s), at least
        1, once the sampling is known (`resolved`), so the rule survives another sampling.
    min_duration_s: shorter sightings are dropped, after merging.
    merge_gap_s: a sighting that begins at most this much after the last one continues it.
    cooldown_s, cooldown_from: an alert is silenced until so long after the label's last alert
        (`start`) or after the end of its last alerted sighting (`end`). Presence is untouched.

    `confidence_threshold` sets both thresholds. Settings called `..._frames` count samples.
    Raises SettingError (a ValueError) for anything out of range.
    """

    enter_threshold: float = THRESHOLD_DEFAULT
    exit_threshold: float = None  # type: ignore[assignment]
    enter_frames: int = 3
    enter_window: int = None  # type: ignore[assignment]
    exit_frames: int = 5
    enter_s: float | None = None
    exit_s: float | None = None
    min_duration_s: float = 0.0
    merge_gap_s: float = 0.0
    cooldown_s: float = 0.0
    cooldown_from: Literal["start", "end"] = "start"
    confidence_threshold: dataclasses.InitVar[float | None] = None

    def __post_init__(self, confidence_threshold: float | None) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        if confidence_threshold is not None:
            put("enter_threshold", confidence_threshold)
            put("exit_threshold", confidence_threshold)
        if self.exit_threshold is None:
            put("exit_threshold", self.enter_threshold)
        for name in ("enter_threshold", "exit_threshold"):
            value = _number(name, getattr(self, name))
            if not 0 < value <= 1:
                raise SettingError(f"{name} must be in (0, 1], got {value}")
            put(name, value)
        if self.exit_threshold > self.enter_threshold:
            raise SettingError(
                f"exit_threshold must be at most enter_threshold ({self.enter_threshold}), "
                f"got {self.exit_threshold}"
            )
        put("enter_frames", _count("enter_frames", self.enter_frames))
        put("exit_frames", _count("exit_frames", self.exit_frames))
        if self.enter_window is None:
            if self.enter_s is None:
                put("enter_window", self.enter_frames)
        else:
            put("enter_window", _count("enter_window", self.enter_window))
            if self.enter_s is None and self.enter_window < self.enter_frames:
                raise SettingError(
                    f"enter_window must be at least enter_frames ({self.enter_frames}), "
                    f"got {self.enter_window}"
                )
        for name in ("enter_s", "exit_s", "min_duration_s", "merge_gap_s", "cooldown_s"):
            value = getattr(self, name)
            if value is None and name in ("enter_s", "exit_s"):
                continue
            if _number(name, value) < 0:
                raise SettingError(f"{name} must be 0 or more seconds, got {value}")
            put(name, float(value))
        if self.cooldown_from not in ("start", "end"):
            raise SettingError(f"cooldown_from must be start or end, got {self.cooldown_from!r}")

    def resolved(self, every_s: float) -> Debounce:
        """The same rule with `enter_s` and `exit_s` turned into counts at this sampling.

        every_s: seconds between samples. Raises SettingError if it is not positive but needed.
        """
        if self.enter_s is None and self.exit_s is None:
            return self
        if not every_s > 0:
            raise SettingError(f"enter_s and exit_s need a sampling interval, got {every_s}")
        changes: dict[str, Any] = {"enter_s": None, "exit_s": None}
        if self.enter_s is not None:
            changes["enter_frames"] = _samples(self.enter_s, every_s)
            changes["enter_window"] = self.enter_window
        if self.exit_s is not None:
            changes["exit_frames"] = _samples(self.exit_s, every_s)
        return dataclasses.replace(self, **changes)

    def changed(self, **changes: Any) -> Debounce:
        """A copy with other settings; an exit threshold and a window that followed still do."""
        if "enter_threshold" in changes and self.exit_threshold == self.enter_threshold:
            changes.setdefault("exit_threshold", None)
        if "enter_frames" in changes and self.enter_window == self.enter_frames:
            changes.setdefault("enter_window", None)
        return Debounce.from_dict({**self.to_dict(), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Its settings; `enter_s` and `exit_s` only where they are used."""
        row = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {k: v for k, v in row.items() if v is not None}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Debounce:
        """Raises SettingError for unknown keys and values out of range."""
        _known_keys(cls, settings, "debounce", ("confidence_threshold",))
        return cls(**settings)


def _samples(seconds: float, every_s: float) -> int:
    return max(1, math.ceil(Fraction(str(seconds)) / Fraction(str(every_s))))


def _are_labels(value: Any) -> bool:
    return isinstance(value, Sequence | Mapping) and all(isinstance(v, str) for v in value)


@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """The rule of one label."""

    debounce: Debounce = field(default_factory=Debounce)
    box_filter: BoxFilter = field(default_factory=BoxFilter)

    def to_dict(self) -> dict[str, Any]:
        return {"debounce": self.debounce.to_dict(), "box_filter": self.box_filter.to_dict()}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> LabelRule:
        _known_keys(cls, settings, "rule of a label")
        return cls(
            debounce=Debounce.from_dict(settings.get("debounce", {})),
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
        return self.labels.get(label, self.default)

    def wanted(self, labels: Sequence[str]) -> list[str]:
        """Those of `labels` that the rule looks for, sorted.

        Raises SettingError if it asks for a label that is not among them.
        """
        asked = (*(self.only or ()), *self.labels)
        for label in asked:
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
                    f"the exit threshold{where} is {lowest}, below the run's score_floor "
                    f"{score_floor}: the log cannot answer it; analyse again with a lower floor"
                )

    @property
    def rule_hash(self) -> str:
        """Equal for rules that say the same."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        return {
            "default": self.default.to_dict(),
            "labels": {label: self.labels[label].to_dict() for label in sorted(self.labels)},
            "only": None if self.only is None else sorted(self.only),
        }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Rule:
        """Raises SettingError for unknown keys and values out of range."""
        _known_keys(cls, settings, "rule")
        only, labels = settings.get("only"), settings.get("labels", {})
        if only is not None and (isinstance(only, str) or not _are_labels(only)):
            raise SettingError(f"only must be a list of labels, got {only!r}")
        if not isinstance(labels, Mapping) or not _are_labels(labels):
            raise SettingError(f"labels must map labels to rules, got {labels!r}")
        return cls(
            default=LabelRule.from_dict(settings.get("default", {})),
            labels={k: LabelRule.from_dict(v) for k, v in labels.items()},
            only=None if only is None else tuple(sorted(set(only))),
        )

    @classmethod
    def coerce(cls, rule: Rule | Debounce | Mapping[str, Any] | None) -> Rule:
        """A rule from what a caller may hand in: a rule, a debounce for all labels, settings."""
        if rule is None:
            return cls()
        if isinstance(rule, Rule):
            return rule
        if isinstance(rule, Debounce):
            return cls(default=LabelRule(debounce=rule))
        return cls.from_dict(rule)
