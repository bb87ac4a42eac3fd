"""When scores become presence, and presence an alert."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

from lab.errors import SettingError
from lab.rules.parameters import check_keys, parameter, parameters_of

THRESHOLD_DEFAULT = 0.4


@lru_cache(1000)
def seconds_to_us(seconds: float) -> int:
    """Seconds, as a user writes them, in integer microseconds (0.1 is exactly 100,000)."""
    return round(Fraction(str(seconds)) * 1_000_000)


@dataclass(frozen=True, kw_only=True)
class Debounce:
    """When scores become presence, and presence an alert.

    What each setting does is declared with it, and listed in docs/guide/rules.md. Settings called
    `..._frames` count samples. `exit_threshold` and `enter_window` take the values of
    `enter_threshold` and `enter_frames` unless they are given. `enter_s` and `exit_s` are given
    instead of the counts; they become ceil(seconds / every_s), at least 1, once the sampling is
    known (`resolved`), so that the rule survives another sampling. `confidence_threshold` sets both
    thresholds, whatever else is given for them.

    Raises SettingError (a ValueError) for anything out of range.
    """

    enter_threshold: float = parameter(
        THRESHOLD_DEFAULT, "score", "a sample with this score or more is over", "Enter at",
        default_text="the detector's own", slider=(1, 0.01), swept="auto",
        sentence="a sample with a score of {} or more was over",
    )  # fmt: skip
    exit_threshold: float = parameter(
        None, "score", "a sample with a lower score is under", "Exit below",
        follows="enter_threshold", slider=(1, 0.01),
        sentence="one with a score below {} was under",
    )  # fmt: skip
    enter_frames: int = parameter(
        3, "samples", "so many over samples open a sighting", "Enter after",
        slider=(30, 1), swept=(1, 2, 3, 5), sentence="{} over samples opened a sighting",
    )  # fmt: skip
    enter_window: int = parameter(
        None, "samples", "the over samples may be among the last so many samples", "…of the last",
        follows="enter_frames", slider=(60, 1), sentence="these among the last {} samples",
    )  # fmt: skip
    exit_frames: int = parameter(
        5, "samples", "so many under samples in a row close a sighting", "Exit after",
        slider=(60, 1), swept=(1, 3, 5, 10), sentence="{} under samples in a row closed it",
    )  # fmt: skip
    enter_s: float | None = parameter(
        None, "seconds", "given instead of enter_frames: so many samples as fit, rounded up",
        "Enter after, s", instead_of="enter_frames",
        sentence="over samples for {} s opened a sighting",
    )  # fmt: skip
    exit_s: float | None = parameter(
        None, "seconds", "given instead of exit_frames: so many samples as fit, rounded up",
        "Exit after, s", instead_of="exit_frames",
        sentence="under samples in a row for {} s closed it",
    )  # fmt: skip
    min_duration_s: float = parameter(
        0.0, "seconds", "shorter sightings are dropped, after merging", "At least",
        off=0.0, slider=(30, 0.1), swept=(0.0, 0.5, 1.0, 2.0),
        sentence="sightings shorter than {} s were dropped, after merging",
    )  # fmt: skip
    merge_gap_s: float = parameter(
        0.0, "seconds", "a sighting that begins at most so long after the last one continues it",
        "Merge gap", off=0.0, slider=(30, 0.1), swept=(0.0, 1.0, 2.0, 5.0),
        sentence="sightings at most {} s apart were merged",
    )  # fmt: skip
    cooldown_s: float = parameter(
        0.0, "seconds", "alerts are silenced for so long; sightings stay", "Cooldown",
        off=0.0, slider=(600, 1), group="Alerts", sentence="further alerts were silenced for {} s",
    )  # fmt: skip
    cooldown_from: Literal["start", "end"] = parameter(
        "start", "choice",
        "the cooldown counts from the last alert (start) or the end of the last alerted sighting "
        "(end)",
        "Counted", choices=("start", "end"), needs="cooldown_s", said="from the {}",
        sentence="counted from the {} of the last alerted sighting",
    )  # fmt: skip
    gap_policy: Literal["hold", "close"] = parameter(
        "hold", "choice",
        "a gap in the samples moves no streak (hold), or breaks entering streaks and closes what "
        "is open (close)",
        "At a gap", off="hold", is_newer=True, choices=("hold", "close"),
        sentence="gaps in the samples: {} what is open",
    )  # fmt: skip
    confidence_threshold: dataclasses.InitVar[float | None] = parameter(  # noqa: RUF009
        None, "score", "sets both thresholds", "Both thresholds",
        sets=("enter_threshold", "exit_threshold"),
    )  # fmt: skip

    def __post_init__(self, confidence_threshold: float | None) -> None:
        declared = parameters_of(Debounce)
        given = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if confidence_threshold is not None:
            both = declared["confidence_threshold"]
            given |= dict.fromkeys(both.sets, both.checked(confidence_threshold))
        replaced = {declared[n].instead_of for n, value in given.items() if value is not None}
        for name in given:
            leader = declared[name].follows
            if given[name] is None and leader is not None and leader not in replaced:
                given[name] = given[leader]
            if given[name] is not None or declared[name].default is not None:
                given[name] = declared[name].checked(given[name])
            object.__setattr__(self, name, given[name])
        if self.exit_threshold > self.enter_threshold:
            raise SettingError(
                f"exit_threshold must be at most enter_threshold ({self.enter_threshold}), "
                f"got {self.exit_threshold}"
            )
        if self.enter_s is None and self.enter_window < self.enter_frames:
            raise SettingError(
                f"enter_window must be at least enter_frames ({self.enter_frames}), "
                f"got {self.enter_window}"
            )

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
        """A copy with other settings.

        A setting that was equal to the one that it follows still follows. Counts take the place of
        seconds, and seconds of counts.

        Raises SettingError for unknown settings and values out of range.
        """
        declared, kept = parameters_of(Debounce), self.to_dict()
        given = {n for n, value in changes.items() if value is not None}
        for both in declared.values():
            if both.name in given and both.sets:
                given |= set(both.sets)
                changes |= dict.fromkeys(both.sets, changes[both.name])
        for name, p in declared.items():
            if p.instead_of in given and name not in changes:
                kept.pop(name, None)
            leaders = {p.follows} | {q.name for q in declared.values() if q.instead_of == p.follows}
            if p.follows and leaders & given and kept.get(name) == kept.get(p.follows):
                kept.pop(name, None)
        return Debounce.from_dict({**kept, **changes})

    def settings(self) -> dict[str, Any]:
        """All of its settings by name; `enter_s` and `exit_s` only where they are used."""
        row = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {k: v for k, v in row.items() if v is not None}

    def to_dict(self) -> dict[str, Any]:
        """Its settings as they are kept and hashed: `settings` without newer ones at defaults."""
        newer = {name: p.default for name, p in parameters_of(Debounce).items() if p.is_newer}
        return {k: v for k, v in self.settings().items() if k not in newer or v != newer[k]}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Debounce:
        """Raises SettingError for unknown keys and values out of range."""
        check_keys(settings, list(parameters_of(Debounce)), "debounce")
        return cls(**settings)


def _samples(seconds: float, every_s: float) -> int:
    return max(1, math.ceil(Fraction(str(seconds)) / Fraction(str(every_s))))
