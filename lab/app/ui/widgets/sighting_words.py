"""Conditions on sightings in words, each with what is left when it is taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, time
from typing import Any, cast

from lab.counted import counted
from lab.media_time import media_time
from lab.store.sightings import SightingFilter
from lab.store.store import Store

VERDICTS = {
    "accepted": "True",
    "rejected": "False",
    "unsure": "Unsure",
    "relabelled": "Relabelled",
}
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_END_OF_DAY = time(23, 59, 59, 999999)
_TITLES = {
    "label": "Label",
    "site": "Site",
    "name": "Clip",
    "media_id": "Clip",
    "run_id": "Run",
    "rule_hash": "Rule",
    "tag": "Tag",
    "verdict": "Verdict",
}
# Of a value what its chip says.
_WORDS: dict[str, Callable[[Any], str]] = {
    "text": lambda v: f"Words: {v}",
    "note": lambda v: f"In notes: {v}",
    "from_local": lambda v: f"From {_moment(v)}",
    "to_local": lambda v: f"To {_moment(v)}",
    "from_utc": lambda v: f"From {_moment(v)} UTC",
    "to_utc": lambda v: f"To {_moment(v)} UTC",
    "hours": lambda v: f"{of_day(v[0])} to {of_day(v[1])}",
    "weekday": lambda v: ", ".join(DAYS[one - 1] for one in v),
    "from_us": lambda v: f"Begins at {media_time(v)} or later",
    "to_us": lambda v: f"Begins at {media_time(v)} or before",
    "during_us": lambda v: f"In the clip {_stretch(*v)}",
    "min_confidence": lambda v: f"Peak score from {v:.2f}",
    "max_confidence": lambda v: f"Peak score to {v:.2f}",
    "min_duration_s": lambda v: f"At least {v:g} s",
    "max_duration_s": lambda v: f"At most {v:g} s",
    "reviewed": lambda v: "Reviewed" if v else "Not reviewed",
    "as_judged": lambda v: "As judged" if v else "As found",
    "sighting_id": lambda v: counted(1 if isinstance(v, str) else len(v), "chosen sighting"),
}


def _stretch(begin_us: int | None, end_us: int | None) -> str:
    if begin_us is None:
        return "at any time" if end_us is None else f"to {media_time(end_us)}"
    begin = media_time(begin_us)
    return f"from {begin}" if end_us is None else f"{begin} to {media_time(end_us)}"


def of_day(hour: float) -> str:
    """Such as 06:30."""
    minutes = round(hour * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def conditions(store: Store, wanted: SightingFilter) -> list[tuple[str, SightingFilter]]:
    """Each condition in words, with the others; the rules come last."""
    found: list[tuple[str, SightingFilter]] = []
    for name, value in wanted.items():
        if name in _TITLES:
            values = [value] if isinstance(value, str) else list(cast(Sequence[str], value))
            shown = _names(store, name, values)
            found += [
                (f"{_TITLES[name]}: {shown[one]}", _less(wanted, name, one)) for one in values
            ]
        elif name in _WORDS and value is not None:
            found.append((_WORDS[name](value), _without(wanted, name)))
    if not wanted.get("current") and "rule_hash" not in wanted:
        found.append(("All rules", {**wanted, "current": True}))
    return found


def _names(store: Store, name: str, values: list[str]) -> dict[str, str]:
    if name == "media_id":
        return {one: one for one in values} | store.names_of_media(values)
    if name == "rule_hash":
        titles = {row["rule_hash"]: row["rule_name"] for row in store.rules_of_sightings()}
        return {one: titles.get(one) or one[:6] for one in values}
    if name == "verdict":
        return {one: VERDICTS.get(one, one) for one in values}
    return {one: one for one in values}


def _less(wanted: SightingFilter, name: str, value: str) -> SightingFilter:
    given = wanted[name]  # type: ignore[literal-required]
    left = [] if isinstance(given, str) else [one for one in given if one != value]
    if left:
        return {**wanted, name: left}  # type: ignore[misc]
    return _without(wanted, name)


def _without(wanted: SightingFilter, name: str) -> SightingFilter:
    less = cast(SightingFilter, {k: v for k, v in wanted.items() if k != name})
    return {**less, "current": True} if name == "rule_hash" else less


def _moment(at: datetime) -> str:
    is_day = at.time() in (time(), _END_OF_DAY)
    return f"{at:%Y-%m-%d}" if is_day else f"{at:%Y-%m-%d %H:%M}"
