"""Conditions, order and pages of a query, put together from what a caller asks for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from numbers import Real
from typing import Any

import duckdb
import pyarrow as pa

from lab.arrow_columns import column
from lab.errors import SettingError, closest
from lab.store.condition_values import names

Wanted = str | Sequence[str] | None
_CANDIDATES = 20


def check_conditions(wanted: Mapping[str, Any], kind: type) -> None:
    """Raises SettingError for a condition that there is none of: left out, all would be found.

    kind: the TypedDict of those that there are.
    """
    known = list(kind.__annotations__)
    for name in wanted:
        if name not in known:
            raise SettingError(f"there is no condition {name!r}; {closest(name, known)}")


class Where:
    """Conditions with their values; every value stays a parameter."""

    def __init__(self, *values: Any) -> None:
        """values: of the parameters that stand before the conditions."""
        self.values: list[Any] = list(values)
        self._terms: list[str] = []

    def add(self, term: str, *values: Any) -> None:
        self._terms.append(term)
        self.values += values

    def equal(self, column: str, wanted: Wanted) -> None:
        """One value, any of several, or None for no condition."""
        if wanted is None:
            return
        found = names(column.rpartition(".")[2], wanted)
        if len(found) == 1:
            self.add(f"{column} = ?", *found)
        else:
            self.add(f"{column} IN (SELECT unnest(?::VARCHAR[]))", found)

    def text(self, columns: Sequence[str], text: str | None) -> None:
        """Every word of a text in one of the columns, whatever its case."""
        for word in (text or "").lower().split():
            found = " OR ".join(f"contains(lower({column}), ?)" for column in columns)
            self.add(f"({found})", *[word] * len(columns))

    def between(self, column: str, low: Any, high: Any) -> None:
        """From `low` to `high`, both included; None is no limit."""
        if low is not None:
            self.add(f"{column} >= ?", low)
        if high is not None:
            self.add(f"{column} <= ?", high)

    @property
    def sql(self) -> str:
        return " WHERE " + " AND ".join(self._terms) if self._terms else ""


def order_of(orders: Mapping[str, str], order: str) -> str:
    """The ORDER BY of a named order. Raises SettingError for an unknown one."""
    if order not in orders:
        raise SettingError(f"no order {order!r}; {closest(order, list(orders))}")
    return f" ORDER BY {orders[order]}"


def page_of(limit: int | None, offset: int) -> str:
    """LIMIT and OFFSET. Raises SettingError for numbers below 0."""
    for given in (offset if limit is None else limit, offset):
        if not isinstance(given, Real) or not 0 <= given < math.inf:
            raise SettingError(f"limit and offset must be 0 or more, got {limit!r} and {offset!r}")
    return ("" if limit is None else f" LIMIT {int(limit)}") + (
        f" OFFSET {int(offset)}" if offset else ""
    )


def count(db: duckdb.DuckDBPyConnection | None, sql: str, values: Sequence[Any] = ()) -> int:
    """The number that a query gives; 0 where there is no catalog."""
    row = db.execute(sql, list(values)).fetchone() if db is not None else None
    return int(row[0]) if row else 0


def nearest(db: duckdb.DuckDBPyConnection | None, table: str, column: str, given: str) -> str:
    """The hint of an error message: what of a column is nearest to `given`."""
    if db is None:
        return closest(given, [])
    found = db.execute(
        f"SELECT DISTINCT {column}, jaro_winkler_similarity({column}, ?) AS likeness FROM {table} "
        f"WHERE {column} IS NOT NULL ORDER BY likeness DESC, {column} LIMIT {_CANDIDATES}",
        [given[:200]],
    ).fetchall()
    return closest(given, [row[0] for row in found])


def insert_columns(
    db: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, Iterable[Any]], end: str = ""
) -> None:
    """Rows as one Arrow table: a hundred thousand take a moment then, not minutes."""
    with_rows(db, columns, f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM given {end}")


def with_rows(
    db: duckdb.DuckDBPyConnection, columns: Mapping[str, Iterable[Any]], sql: str
) -> None:
    """A statement over rows that are called `given`."""
    given = pa.table({name: column(values) for name, values in columns.items()})
    if not given.num_rows:
        return
    db.register("given", given)
    try:
        db.execute(sql)
    finally:
        # Not possible after an error; the next rows then take the name.
        with suppress(duckdb.Error):
            db.unregister("given")
