"""Stored sightings as Arrow batches: for exports, and tables of millions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lab.store.sightings import ONSET_UTC, SIGHTINGS, SightingFilter, SightingRows, sightings_where

_BATCH_ROWS = 50_000
_SORTING_MEMORY = "200MiB"  # what is more lies on disk meanwhile
_ORDER = "media_path, onset_s, label, sighting_id"
# The columns of an export, in its order; times in seconds.
_EXPORTED = {
    "media": "m.name",
    "site": "m.site",
    "label": "s.label",
    "onset_s": "s.onset_us / 1e6",
    "offset_s": "s.offset_us / 1e6",
    "duration_s": "(s.offset_us - s.onset_us) / 1e6",
    "onset_earliest_s": "s.onset_earliest_us / 1e6",
    "offset_latest_s": "s.offset_latest_us / 1e6",
    "onset_utc": f"""replace(strftime({ONSET_UTC}, '%Y-%m-%dT%H:%M:%S.%fZ'), '.000000Z', 'Z')""",
    "confirmed_s": "s.confirmed_us / 1e6",
    "closed_s": "s.closed_us / 1e6",
    "peak_s": "s.peak_us / 1e6",
    "peak_confidence": "s.peak_confidence",
    "alert_s": "s.alert_us / 1e6",
    "close_reason": "s.close_reason",
    "censored_left": "s.censored_left",
    "censored_right": "s.censored_right",
    "run_id": "s.run_id",
    "recipe_hash": "r.recipe_hash",
    "protocol_hash": "r.protocol_hash",
    "rule_hash": "s.rule_hash",
    "rule_name": "s.rule_name",
    "media_id": "s.media_id",
    "media_path": "m.path",
    "sighting_id": "s.sighting_id",
    "saved_utc": "s.saved_utc",
    "timestamp_issue": "m.timestamp_issue",
}
STORED_SIGHTING_COLUMNS = list(_EXPORTED)


class SightingBatches(SightingRows):
    """The part of a store that gives sightings by the million."""

    def sighting_batches(self, **wanted: Unpack[SightingFilter]) -> Iterator[pa.RecordBatch]:
        """The columns of `lab.store.tables.STORED_SIGHTING_COLUMNS`, by clip and time.

        They are those of one moment. The catalog is held only while they are copied to a
        temporary file; sorting takes longer, and is done beside it.
        """
        with tempfile.TemporaryDirectory(prefix="lab-") as folder:
            copy, in_order = Path(folder) / "copy.parquet", Path(folder) / "sorted.parquet"
            self._copy(copy, wanted)
            if not copy.exists():
                return
            _sort(copy, in_order)
            with pq.ParquetFile(in_order) as file:
                yield from file.iter_batches(_BATCH_ROWS)

    def _copy(self, path: Path, wanted: SightingFilter) -> None:
        where = sightings_where(wanted)
        columns = ", ".join(f"{sql} AS {name}" for name, sql in _EXPORTED.items())
        with self.catalog.reading() as db:
            if db is not None:
                query = f"SELECT {columns} FROM {SIGHTINGS}{where.sql}"
                db.execute(_copying(query, path), where.values)


def _sort(path: Path, in_order: Path) -> None:
    with duckdb.connect() as db:
        db.execute(f"SET memory_limit = '{_SORTING_MEMORY}'")
        db.execute(f"SET temp_directory = {_quoted(path.parent / 'sorting')}")
        query = f"SELECT * FROM read_parquet({_quoted(path)}) ORDER BY {_ORDER}"
        db.execute(_copying(query, in_order))


def _copying(query: str, path: Path) -> str:
    options = f"FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {_BATCH_ROWS}"
    return f"COPY ({query}) TO {_quoted(path)} ({options})"


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
