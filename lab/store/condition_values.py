"""The value of each condition of a query, checked: of Python, of an address, of the API alike.

Each function takes the condition's name and its value, and gives the value as the catalog takes
it. All raise SettingError, which says what is expected and what came instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from numbers import Real
from typing import Any, SupportsFloat, cast

from lab.errors import SettingError

_MOST = 2**40
_MOST_US = 2**53  # beyond, floats say no whole microseconds
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def names(name: str, value: Any) -> list[str]:
    """One text, or any of several; a list of nothing chooses nothing."""
    if isinstance(value, str):
        return [value]
    some = _several(name, value, "a text or a list of texts")
    if any(isinstance(one, Iterable | bytes) and not isinstance(one, str) for one in some):
        raise _wrong(name, "a text or a list of texts", value)
    return [str(one) for one in some if one is not None]


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a text", value)
    return value


def number(name: str, value: Any, most: float = _MOST) -> float:
    found = math.nan
    if isinstance(value, str | Real | Decimal) and not isinstance(value, bool):
        try:
            found = float(cast(SupportsFloat, value))
        except (ValueError, OverflowError):
            found = math.nan
    if not abs(found) < most:
        raise _wrong(name, "a number", value)
    return found


def score(name: str, value: Any) -> float:
    found = number(name, value)
    if not 0 <= found <= 1:
        raise _wrong(name, "a score from 0 to 1", value)
    return found


def seconds(name: str, value: Any) -> float:
    found = number(name, value)
    if found < 0:
        raise _wrong(name, "0 s or more", value)
    return found


def onset_us(name: str, value: Any) -> int:
    found = number(name, value, _MOST_US)
    if found != int(found):
        raise _wrong(name, "whole microseconds", value)
    return int(found)


def stretch_us(name: str, value: Any) -> tuple[int | None, int | None]:
    """From and to; None for a side that is open."""
    begin, end = _pair(name, value, "from and to, in microseconds of media time")
    return _us(name, begin), _us(name, end)


def _us(name: str, value: Any) -> int | None:
    return None if value is None else round(number(name, value, _MOST_US))


def moment(name: str, value: Any) -> datetime:
    """Without a zone, as the store has them; those in UTC may name one.

    A day alone is where it begins; of `to_` where it ends.
    """
    given, is_day = value, isinstance(value, date) and not isinstance(value, datetime)
    try:
        if not isinstance(value, date):
            if not isinstance(value, str) and not _is_of_numpy(value):
                raise ValueError
            said = str(value).strip()
            is_day = _DAY.fullmatch(said) is not None
            given = datetime.fromisoformat(said)
        elif is_day:
            given = datetime.combine(value, time.min)
        in_utc = given.astimezone(UTC).replace(tzinfo=None) if given.tzinfo is not None else given
        in_utc = datetime.fromisoformat(in_utc.isoformat())  # not of pandas, which also has NaT
    except (ValueError, OverflowError):
        raise _wrong(name, "a date or time such as 2026-05-01T06:30", value) from None
    if given.tzinfo is not None and name.endswith("_local"):
        raise SettingError(
            f"{name} is the time of the place and names no zone, got {_shown(value)}"
        )
    return datetime.combine(in_utc, time.max) if is_day and name.startswith("to_") else in_utc


def hours(name: str, value: Any) -> tuple[float, float]:
    """From and to; of an address as in `22-4.5`."""
    expected = "two different ones from 0 to 24 such as 22-4.5"
    pair = _pair(name, value.split("-") if isinstance(value, str) else value, expected, value)
    try:
        begin, end = (number(name, one) for one in pair)
    except SettingError:
        begin = end = math.nan
    if not (0 <= begin <= 24 and 0 <= end <= 24) or begin == end:
        raise _wrong(name, expected, value)
    return begin, end


def weekdays(name: str, value: Any) -> list[int]:
    """One day, or any of several."""
    is_one = isinstance(value, str) or not isinstance(value, Iterable)
    found = [_weekday(name, one) for one in ([value] if is_one else value)]
    return sorted(set(found))


def _weekday(name: str, value: Any) -> int:
    try:
        found = number(name, value)
    except SettingError:
        found = 0
    if found not in range(1, 8):
        raise _wrong(name, "1 (Monday) to 7", value)
    return int(found)


def yes_or_no(name: str, value: Any) -> bool:
    """True or False; of an address `yes` or `no`."""
    found = None
    if isinstance(value, str):
        found = {"yes": True, "no": False}.get(value)
    elif isinstance(value, Real) or (
        not isinstance(value, Iterable) and str(getattr(value, "dtype", "")) == "bool"
    ):
        found = bool(value) if value in (0, 1) else None
    if found is None:
        raise _wrong(name, "yes or no, in Python True or False", value)
    return found


def _is_of_numpy(value: Any) -> bool:
    """Whether it is a time as NumPy has it."""
    return str(getattr(value, "dtype", "")).startswith("datetime64")


def _several(name: str, value: Any, expected: str) -> list[Any]:
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise _wrong(name, expected, value)
    try:
        return list(value)
    except TypeError:  # as NumPy's of no dimension
        raise _wrong(name, expected, value) from None


def _pair(name: str, value: Any, expected: str, shown: Any = None) -> tuple[Any, Any]:
    wrong = _wrong(name, expected, value if shown is None else shown)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise wrong
    try:
        begin, end = value
    except (TypeError, ValueError):
        raise wrong from None
    return begin, end


def _wrong(name: str, expected: str, value: Any) -> SettingError:
    return SettingError(f"{name} must be {expected}, got {_shown(value)}")


def _shown(value: Any) -> str:
    return repr(value[:80] if isinstance(value, str) else value)[:100]
