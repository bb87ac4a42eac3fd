"""Which sightings, as an address says it: of the page Sightings, its saved views and the CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from datetime import datetime
from typing import Any

from lab.errors import SettingError
from lab.store import condition_values as values_of
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
            wanted[name] = values_of.weekdays(name, values)
        elif name not in (*_DURING, "rules"):
            raise SettingError(f"sightings are not chosen by {name[:80]!r}; give any of {KNOWN}")
    if any(name in query for name in _DURING):
        wanted["during_us"] = _during_us(query)
    return wanted  # type: ignore[return-value]


def _during_us(query: Mapping[str, Sequence[str]]) -> tuple[int | None, int | None]:
    """From and to in microseconds; None for the side that the address leaves open."""
    begin, end = (
        values_of.number(name, query[name][-1] if query[name] else "") if name in query else None
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


_READ: dict[str, Callable[[str, str], Any]] = {
    **dict.fromkeys(_SCORES, values_of.score),
    **dict.fromkeys(_DURATIONS, values_of.seconds),
    **dict.fromkeys(_TIMES, values_of.moment),
    **dict.fromkeys(_ONSETS, values_of.onset_us),
    **dict.fromkeys(_TEXTS, values_of.text),
    "hours": values_of.hours,
    "reviewed": values_of.yes_or_no,
    "as_judged": values_of.yes_or_no,
}
NAMES = (*LISTS, *_READ, "weekday", *_DURING, "rules")
KNOWN = ", ".join(NAMES)
