"""What a setting of a rule is: unit, bounds, default and texts, declared with its field.

The checks of a rule, the options of the command line, the sliders in Review, the values of a sweep,
the schema of jobs, the methods paragraph and the table in docs/guide/rules.md are made from these
declarations, so a new setting is declared once, in `lab.rules.debounce` or `lab.rules.box_filter`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from lab.errors import SettingError, closest

Kind = Literal["score", "samples", "seconds", "fraction", "choice", "polygons"]
Polygon = tuple[tuple[float, float], ...]

UNITS: Mapping[Kind, str] = MappingProxyType(
    {"samples": "samples", "seconds": "s", "fraction": "of the picture", "polygons": "polygons"}
)
_MAX = 1e9  # seconds or samples: 30 years, and safe in integer microseconds
_BOUNDS: Mapping[Kind, tuple[float, float]] = MappingProxyType(
    {"score": (0, 1), "samples": (1, _MAX), "seconds": (0, _MAX), "fraction": (0, 1)}
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuleParameter:
    """One setting of a rule.

    kind: score (in (0, 1]), samples (a whole number, 1 or more), seconds (0 or more), fraction (of
        the picture, in [0, 1]), choice (one of `choices`) or polygons.
    default: None if the setting follows another or is optional. default_text: what is taken where
        a run or another setting gives it.
    text: what it does, without a full stop. title: its name on pages. sentence: what it did, in a
        methods section, with {} for its value.
    follows: the setting whose value it takes unless it is given.
    instead_of: the setting that it replaces where it is given.
    sets: the settings that it sets; it is not kept itself.
    needs: the setting without which it does nothing. off: the value at which it does nothing.
    is_newer: it is not written at its default: rules that are older than it keep their hashes.
    said: a choice as pages say it, with {} for its value.
    slider: largest value and step of its slider in Review; None if it has none. group: the heading
        above it there.
    swept: the values that a sweep tries by default, or "auto" (scores that occur); empty if no
        sweep has it.
    """

    name: str = ""
    kind: Kind
    default: Any = None
    default_text: str | None = None
    text: str
    title: str
    sentence: str = ""
    follows: str | None = None
    instead_of: str | None = None
    sets: tuple[str, ...] = ()
    needs: str | None = None
    off: Any = None
    is_newer: bool = False
    choices: tuple[str, ...] = ()
    said: str = "{}"
    slider: tuple[float, float] | None = None
    group: str = "Presence"
    swept: tuple[float, ...] | Literal["auto"] = ()

    @property
    def unit(self) -> str:
        """`s`, `samples`, `of the picture`, `polygons`, or nothing for scores and choices."""
        return UNITS.get(self.kind, "")

    @property
    def minimum(self) -> float | None:
        """The smallest value; of a score the limit above which it lies."""
        return _BOUNDS[self.kind][0] if self.kind in _BOUNDS else None

    @property
    def maximum(self) -> float | None:
        return _BOUNDS[self.kind][1] if self.kind in _BOUNDS else None

    @property
    def is_swept(self) -> bool:
        return bool(self.swept)

    def is_off(self, value: Any) -> bool:
        """Whether the setting does nothing at this value (polygons are lists as plain values)."""
        plain = tuple(value) if isinstance(value, list) else value
        return self.off is not None and bool(plain == self.off)

    @property
    def default_words(self) -> str:
        """Its default as a user reads it."""
        if self.default_text is not None:
            return self.default_text
        if self.follows is not None:
            return f"as {self.follows}"
        if self.kind == "polygons" or self.default is None:
            return "none"
        return self.in_words(self.default)

    def in_words(self, value: Any) -> str:
        """A value without its unit, to 6 digits."""
        if self.kind == "polygons":
            return "; ".join(
                ", ".join(f"({x:.6g}, {y:.6g})" for x, y in polygon) for polygon in value
            )
        return f"{value:.6g}" if isinstance(value, int | float) else str(value)

    def json_schema(self) -> dict[str, Any]:
        """What a JSON document may give; its bounds are in the definition of its kind."""
        row: dict[str, Any] = {"description": self.text}
        if self.kind == "choice":
            row["enum"] = list(self.choices)
        else:
            row["$ref"] = f"#/$defs/{self.kind}"
        if self.default is not None and self.default_text is None:
            row["default"] = list(self.default) if self.kind == "polygons" else self.default
        elif self.default_text is not None or self.follows is not None:
            row["description"] += f"; {self.default_words} unless given"
        return row

    def checked(self, value: Any) -> Any:
        """The value in its own type. Raises SettingError if it is not valid for this kind."""
        if self.kind == "choice":
            if value not in self.choices:
                known = " or ".join(self.choices)
                raise SettingError(f"{self.name} must be {known}, got {value!r}")
            return value
        if self.kind == "polygons":
            return _polygons(self.name, value)
        number = _number(self.name, value)
        if self.kind == "samples":
            if number != int(number) or number < 1:
                raise SettingError(
                    f"{self.name} must be a whole number of samples, 1 or more, got {value!r}"
                )
            return int(value)
        if self.kind == "seconds" and number < 0:
            raise SettingError(f"{self.name} must be 0 or more seconds, got {value}")
        if self.kind == "score" and not 0 < number <= 1:
            raise SettingError(f"{self.name} must be in (0, 1], got {value}")
        if self.kind == "fraction" and not 0 <= number <= 1:
            raise SettingError(f"{self.name} must be in [0, 1], got {value!r}")
        return number


def parameter(default: Any, kind: Kind, text: str, title: str, **words: Any) -> Any:
    """A field of a dataclass with the declaration of its setting; words: of `RuleParameter`."""
    declared = RuleParameter(default=default, kind=kind, text=text, title=title, **words)
    return dataclasses.field(default=default, metadata={"parameter": declared})


@cache
def parameters_of(cls: type) -> Mapping[str, RuleParameter]:
    """The declared settings of a dataclass by name, in their order."""
    # Not dataclasses.fields: that leaves out what is given only at birth (InitVar).
    return MappingProxyType(
        {
            name: dataclasses.replace(field.metadata["parameter"], name=name)
            for name, field in cls.__dataclass_fields__.items()  # type: ignore[attr-defined]
        }
    )


def check_keys(given: Any, known: list[str], what: str) -> None:
    """Raises SettingError unless `given` is a mapping whose keys are all known."""
    if not isinstance(given, Mapping):
        raise SettingError(f"{what} must be a mapping of settings, got {type(given).__name__}")
    for key in given:
        if key not in known:
            raise SettingError(f"unknown setting {key!r} in {what}; {closest(key, known)}")


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SettingError(f"{name} must be a finite number, got {value!r}")
    if value > _MAX:
        raise SettingError(f"{name} must be at most {_MAX:g}, got {value:g}")
    return float(value)


def _polygons(name: str, polygons: Any) -> tuple[Polygon, ...]:
    if isinstance(polygons, str) or not isinstance(polygons, Sequence):
        raise SettingError(f"{name} must be a list of polygons, got {polygons!r}")
    out = []
    for polygon in polygons:
        try:
            points = tuple((float(x), float(y)) for x, y in polygon)
        except (TypeError, ValueError):
            raise SettingError(
                f"{name} must hold polygons of (x, y) points, got {polygon!r}"
            ) from None
        if len(points) < 3:
            raise SettingError(f"a polygon in {name} needs 3 points or more, got {len(points)}")
        if not all(0 <= v <= 1 for point in points for v in point):
            raise SettingError(
                f"points in {name} are fractions of the picture, in [0, 1], got {points}"
            )
        out.append(points)
    return tuple(out)
