"""Rows of the API as the store itself gives them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from lab.annotation import Annotation, Coverage, Verdict
from lab.rules.rule import Rule
from lab.store.annotations import from_json
from lab.store.current_rules import CurrentRule

Row = dict[str, Any]
_TIMES = ("camera_local",)
# What the API adds to a clip.
_SHOWN = ("start", "camera_time", "is_present", "problem", "state")


def with_times(row: Row) -> Row:
    """Times as datetimes, in UTC without a zone where their names end in `_utc`."""
    return {
        name: as_time(value) if name.endswith("_utc") or name in _TIMES else value
        for name, value in row.items()
    }


def clip_row(row: Row) -> Row:
    """A clip as of `Store.media`."""
    return with_times({name: value for name, value in row.items() if name not in _SHOWN})


def as_time(text: Any) -> Any:
    return datetime.fromisoformat(text.removesuffix("Z")) if isinstance(text, str) else text


def record_of(row: Row) -> Annotation | Coverage | Verdict:
    """What somebody marked, as it is kept."""
    return replace(from_json(row), created_utc=as_time(row["created_utc"]))


def current_rule(row: Row) -> CurrentRule:
    return CurrentRule(
        protocol_hash=row["protocol_hash"],
        rule=Rule.from_dict(row["rule"]),
        name=row["name"],
        run_id=row["run_id"],
        set_utc=as_time(row["set_utc"]),
    )
