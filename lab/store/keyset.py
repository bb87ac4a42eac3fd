"""Pages by the last row of the one before: what is added or removed meanwhile moves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lab.errors import SettingError
from lab.store.query import Where


@dataclass(frozen=True)
class Key:
    """A column of an order. name: of the row's value. kind: its type; no value is missing."""

    sql: str
    name: str
    kind: type
    descending: bool = False

    def of(self, row: Mapping[str, Any]) -> Any:
        value = row[self.name]
        return self.kind() if value is None and self.kind is not datetime else value


Keys = Sequence[Key]


def order_by(keys: Keys) -> str:
    return " ORDER BY " + ", ".join(f"{k.sql}{' DESC' if k.descending else ''}" for k in keys)


def key_of(keys: Keys, row: Mapping[str, Any]) -> list[Any]:
    """Where a row stands, as JSON values."""
    found = (key.of(row) for key in keys)
    return [one.isoformat() if isinstance(one, datetime) else one for one in found]


def kinds_of(keys: Keys) -> list[type]:
    """Of the values of `key_of`; a datetime stands as text."""
    return [key.kind for key in keys]


def beyond(where: Where, keys: Keys, after: Sequence[Any] | None) -> None:
    """Only rows that come after the one with this key. Raises SettingError for what is no key."""
    if after is None:
        return
    if len(after) != len(keys):
        raise SettingError("the cursor is not one of this list; begin again without it")
    values = [_value(key, one) for key, one in zip(keys, after, strict=True)]
    terms: list[str] = []
    given: list[Any] = []
    for i, key in enumerate(keys):
        equal = [f"{before.sql} = ?" for before in keys[:i]]
        terms.append(" AND ".join([*equal, f"{key.sql} {'<' if key.descending else '>'} ?"]))
        given += values[: i + 1]
    where.add(f"({' OR '.join(f'({term})' for term in terms)})", *given)


def _value(key: Key, given: Any) -> Any:
    try:
        if key.kind is datetime:
            return datetime.fromisoformat(given)
        is_right = isinstance(given, key.kind if key.kind is not float else int | float)
        if is_right and not isinstance(given, bool):
            return given
    except (TypeError, ValueError):
        pass
    raise SettingError("the cursor is not one of this list; begin again without it")
