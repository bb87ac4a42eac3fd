"""Checks of settings that several detectors share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lab.errors import SettingError, closest


def whole_number(name: str, value: Any, minimum: int, maximum: int) -> int:
    """The value, if it is an integer in [minimum, maximum]. Raises SettingError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise SettingError(
            f"{name} must be a whole number from {minimum} to {maximum}, got {value!r}"
        )
    return value


def number(name: str, value: Any, minimum: float, maximum: float, *, above: bool = False) -> float:
    """The value as a float, if it is a number in range. Raises SettingError otherwise.

    above: whether the limits themselves are out of range.
    """
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or not (minimum < value < maximum if above else minimum <= value <= maximum):
        limits = f"({minimum}, {maximum})" if above else f"[{minimum}, {maximum}]"
        raise SettingError(f"{name} must be in {limits}, got {value!r}")
    return float(value)


def wanted(labels: Sequence[str] | None) -> list[str] | None:
    """The labels without blanks around them, each once, in the order given; None stays None.

    Raises SettingError for anything but a list of names, and for an empty one.
    """
    if labels is None:
        return None
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise SettingError(f"labels must be a list of names, got {labels!r}")
    names = list(dict.fromkeys(label.strip() for label in labels))
    if not names or not all(names):
        raise SettingError("no label given; name one or more, or leave labels out for all")
    return names


def among(labels: Sequence[str] | None, known: Sequence[str], refusal: str) -> tuple[str, ...]:
    """Those of `known` that `labels` names, in the order of `known`; all for None.

    refusal: how the message begins for a label that is not known, such as `the model does not
    know`. Raises SettingError for such a label.
    """
    names = wanted(labels)
    if names is None:
        return tuple(known)
    check_known(names, known, refusal)
    return tuple(name for name in known if name in names)


def check_known(names: Sequence[str], known: Sequence[str], refusal: str) -> None:
    """Raises SettingError for a name that is not among those; see `among`."""
    for name in names:
        if name not in known:
            raise SettingError(f"{refusal} {name!r}; {closest(name, list(known))}")


def checked_floor(given: Any, default: float) -> float:
    """The floor that was given, else the default. Raises SettingError unless it is in (0, 1)."""
    return number("score_floor", default if given is None else given, 0, 1, above=True)
