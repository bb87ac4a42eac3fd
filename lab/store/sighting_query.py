"""Which sightings, as an address says it: of the page Sightings, its saved views and the CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from datetime import UTC, datetime, time
from typing import Any

from lab.errors import SettingError
from lab.store.sightings import SightingFilter

Query = dict[str, list[str]]
LISTS = (
    "label", "site", "name", "media_id", "run_id", "rule_hash", "tag", "verdict", "sighting_id",
)  # fmt: skip
_SCORES = ("min_confidence", "max_confidence")
_DURATIONS = ("min_duration_s", "max_duration_s")
_TEXTS = ("text", "note")
_TIMES = ("from_local", "to_local", "from_utc", "to_utc")
_ONSETS = ("from_us", "to_us")
_DURING = ("from_s", "to_s")
_MOST = 2**40
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def to_query(wanted: SightingFilter) -> Query:
    """The conditions as values by name; `wanted_of_query` reads them.

    An address cannot say a list of nothing: see `chooses_none`.
    """
    query: Query = {}
    for name, value in wanted.items():
        if value is None or name == "current":
            continue
        if name == "during_us":
            ends = zip(_DURING, value, strict=True)  # type: ignore[call-overload]
            query |= {k: [_text(v / 1e6)] for k, v in ends if v is not None}
        elif name == "hours":
            query["hours"] = ["-".join(map(_text, value))]  # type: ignore[call-overload]
        elif isinstance(value, str) or not isinstance(value, Iterable):
            query[name] = [_text(value)]
        else:
            query[name] = list(map(_text, value))
    if not wanted.get("current") and "rule_hash" not in query:
        query["rules"] = ["all"]
    elif wanted.get("current") and "rule_hash" in query:
        query["rules"] = ["current"]
    return query


def chooses_none(wanted: Mapping[str, Any]) -> bool:
    """Whether a condition is a list of nothing, which nothing fulfils."""
    return any(
        isinstance(value, Sized) and not len(value)
        for value in wanted.values()
        if not isinstance(value, str)
    )


def wanted_of_query(query: Mapping[str, Sequence[str]]) -> SightingFilter:
    """The conditions of an address. Raises SettingError for those that are not valid.

    rules: `current`, which is the default unless rules are named, or `all`; see `SightingFilter`.
    """
    rules = query.get("rules", ["all" if "rule_hash" in query else "current"])[-1]
    if rules not in ("current", "all"):
        raise SettingError(f"rules must be current or all, got {rules[:80]!r}")
    wanted: dict[str, Any] = {"current": True} if rules == "current" else {}
    for name, values in query.items():
        if name in LISTS:
            wanted[name] = list(dict.fromkeys(values))
        elif name in _READ:
            wanted[name] = _READ[name](name, values[-1] if values else "")
        elif name == "weekday":
            wanted[name] = sorted({_weekday(value) for value in values})
        elif name not in (*_DURING, "rules"):
            raise SettingError(f"sightings are not chosen by {name[:80]!r}; give any of {KNOWN}")
    if any(name in query for name in _DURING):
        wanted["during_us"] = _during_us(query)
    return wanted  # type: ignore[return-value]


def _during_us(query: Mapping[str, Sequence[str]]) -> tuple[int | None, int | None]:
    """From and to in microseconds; None for the side that the address leaves open."""
    begin, end = (
        _number(name, query[name][-1] if query[name] else "") if name in query else None
        for name in _DURING
    )
    if begin is not None and end is not None and begin > end:
        raise SettingError(f"from_s must not be after to_s, got {begin:g} and {end:g}")
    return _us(begin), _us(end)


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e6)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.12g}"
    return short if float(short) == value else repr(float(value))


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) < _MOST:
        raise SettingError(f"{name} must be a number, got {text[:80]!r}")
    return value


def _score(name: str, text: str) -> float:
    value = _number(name, text)
    if not 0 <= value <= 1:
        raise SettingError(f"{name} must be a score from 0 to 1, got {text[:80]!r}")
    return value


def _seconds(name: str, text: str) -> float:
    value = _number(name, text)
    if value < 0:
        raise SettingError(f"{name} must be 0 s or more, got {text[:80]!r}")
    return value


def _onset_us(name: str, text: str) -> int:
    value = _number(name, text)
    if value != int(value):
        raise SettingError(f"{name} must be whole microseconds, got {text[:80]!r}")
    return int(value)


def _time(name: str, text: str) -> datetime:
    """Without a zone, as the store has them; those in UTC may name one.

    A day alone is all of that day.
    """
    try:
        given = datetime.fromisoformat(text)
        in_utc = given.astimezone(UTC).replace(tzinfo=None) if given.tzinfo is not None else given
    except (ValueError, OverflowError):
        raise SettingError(
            f"{name} must be a date or time such as 2026-05-01T06:30, got {text[:80]!r}"
        ) from None
    if given.tzinfo is not None and name.endswith("_local"):
        raise SettingError(f"{name} is the time of the place and names no zone, got {text[:80]!r}")
    is_day = _DAY.fullmatch(text.strip()) is not None and name.startswith("to_")
    return datetime.combine(in_utc, time.max) if is_day else in_utc


def _hours(name: str, text: str) -> tuple[float, float]:
    try:
        begin, end = map(float, text.split("-"))
    except ValueError:
        begin = end = math.nan
    if not (0 <= begin <= 24 and 0 <= end <= 24) or begin == end:
        raise SettingError(
            f"hours must be two different ones from 0 to 24 such as 22-4.5, got {text[:80]!r}"
        )
    return begin, end


def _weekday(text: str) -> int:
    if text not in tuple("1234567"):
        raise SettingError(f"weekday must be 1 (Monday) to 7, got {text[:80]!r}")
    return int(text)


def _yes_or_no(name: str, text: str) -> bool:
    if text not in ("yes", "no"):
        raise SettingError(f"{name} must be yes or no, got {text[:80]!r}")
    return text == "yes"


_READ: dict[str, Callable[[str, str], Any]] = {
    **dict.fromkeys(_SCORES, _score),
    **dict.fromkeys(_DURATIONS, _seconds),
    **dict.fromkeys(_TIMES, _time),
    **dict.fromkeys(_ONSETS, _onset_us),
    **dict.fromkeys(_TEXTS, lambda _, text: text),
    "hours": _hours,
    "reviewed": _yes_or_no,
    "as_judged": _yes_or_no,
}
NAMES = (*LISTS, *_READ, "weekday", *_DURING, "rules")
KNOWN = ", ".join(NAMES)
