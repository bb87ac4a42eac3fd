"""Stored sightings as Arrow batches: for exports, and tables of millions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import pyarrow as pa
import pyarrow.parquet as pq

from lab.store.sightings import ONSET_UTC, SIGHTINGS, SightingFilter, SightingRows, sightings_where

_BATCH_ROWS = 50_000
_MEMORY = "200MiB"  # for sorting; more lies on disk meanwhile
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
}
STORED_SIGHTING_COLUMNS = list(_EXPORTED)


class SightingBatches(SightingRows):
    """The part of a store that gives sightings by the million."""

    def sighting_batches(self, **wanted: Unpack[SightingFilter]) -> Iterator[pa.RecordBatch]:
        """The columns of `lab.store.tables.STORED_SIGHTING_COLUMNS`, by clip and time.

        They are those of one moment. The catalog is held while they are sorted into a temporary
        file, and is free while they are taken.
        """
        with tempfile.TemporaryDirectory(prefix="lab-") as folder:
            path = Path(folder) / "sightings.parquet"
            self._copy(path, wanted)
            if path.exists():
                with pq.ParquetFile(path) as file:
                    yield from file.iter_batches(_BATCH_ROWS)

    def _copy(self, path: Path, wanted: SightingFilter) -> None:
        where = sightings_where(wanted)
        columns = ", ".join(f"{sql} AS {name}" for name, sql in _EXPORTED.items())
        target = str(path).replace("'", "''")
        with self.catalog.reading() as db:
            if db is None:
                return
            db.execute(f"SET memory_limit = '{_MEMORY}'")
            try:
                db.execute(
                    f"COPY (SELECT {columns} FROM {SIGHTINGS}{where.sql} "
                    f"ORDER BY m.path, s.onset_us, s.label, s.sighting_id) "
                    f"TO '{target}' (FORMAT parquet, COMPRESSION zstd, "
                    f"ROW_GROUP_SIZE {_BATCH_ROWS})",
                    where.values,
                )
            finally:
                db.execute("RESET memory_limit")
