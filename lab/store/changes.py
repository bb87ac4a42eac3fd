"""What is done to many sightings at once, and what it takes to undo it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import duckdb
import pyarrow as pa

from lab.store.annotations import AnnotationRows
from lab.store.sighting_filter import SIGHTINGS, SightingFilter, sightings_where
from lab.store.sightings import SightingRows

Table = Literal["verdicts", "annotations", "sighting_marks", "sightings"]
_STRETCH = ("media_id", "label", "start_us", "end_us")
_KEYS: dict[Table, tuple[str, ...]] = {
    "verdicts": ("verdict_id",),
    "annotations": ("annotation_id",),
    "sighting_marks": _STRETCH,
    "sightings": ("sighting_id",),
}
IN_PICKED = (
    "(t.media_id, t.label, t.start_us, t.end_us) IN "
    "(SELECT (media_id, label, start_us, end_us) FROM picked)"
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What was done to sightings, with what it takes to undo it.

    count: of sightings. removed: rows as they were, by table. added: keys of rows that came.
    """

    what: str
    count: int
    removed: Mapping[Table, pa.Table]
    added: Mapping[Table, pa.Table]


class ChangeRows(SightingRows, AnnotationRows):
    """The part of a store that changes many sightings, and takes it back."""

    def undo_change(self, change: Change) -> None:
        """Put everything back as it was before a change."""
        with self.catalog.transaction() as db:
            for table, keys in change.added.items():
                delete_rows(db, table, keys)
            for table, removed in change.removed.items():
                delete_rows(db, table, keys_of(table, removed))
                put_rows(db, table, removed)
            self.annotations_changed()

    @contextmanager
    def picked(self, wanted: SightingFilter) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
        """A transaction in which the sightings that are wanted are the rows of `picked`."""
        where = sightings_where(wanted)
        with self.catalog.transaction() as db:
            picked = db.sql(
                f"""SELECT s.sighting_id, s.media_id, s.label, s.onset_us AS start_us,
                s.offset_us AS end_us, s.run_id, s.rule_hash FROM {SIGHTINGS}{where.sql}""",
                params=where.values,
            ).to_arrow_table()
            db.register("picked", picked)
            try:
                yield db, picked.num_rows
            finally:
                with suppress(duckdb.Error):  # after an error that is not possible
                    for name in ("picked", "taken_verdicts"):
                        db.unregister(name)


def take_rows(
    db: duckdb.DuckDBPyConnection, table: Table, where: str, values: Sequence[Any] = ()
) -> pa.Table:
    """Delete rows of a table, called `t`, and return them. Verdicts are `taken_verdicts` then."""
    taken = db.sql(f"SELECT t.* FROM {table} t WHERE {where}", params=[*values]).to_arrow_table()
    if table == "verdicts":
        db.register("taken_verdicts", taken)
    if taken.num_rows:
        delete_rows(db, table, keys_of(table, taken))
    return taken


def delete_rows(db: duckdb.DuckDBPyConnection, table: Table, keys: pa.Table) -> None:
    if not keys.num_rows:
        return
    names = _KEYS[table]
    db.register("given_keys", keys)
    columns = ", ".join(names) if len(names) == 1 else f"({', '.join(names)})"
    db.execute(f"DELETE FROM {table} WHERE {columns} IN (SELECT {columns} FROM given_keys)")
    db.unregister("given_keys")


def put_rows(db: duckdb.DuckDBPyConnection, table: Table, given: pa.Table) -> None:
    if not given.num_rows:
        return
    db.register("given_rows", given)
    names = ", ".join(given.column_names)
    db.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM given_rows")
    db.unregister("given_rows")


def keys_of(table: Table, given: pa.Table) -> pa.Table:
    return given.select(list(_KEYS[table]))
