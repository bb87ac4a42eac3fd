"""The store's sightings and effort as CSV, JSON and Parquet."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from lab.formats.csv import to_csv, write_csv
from lab.formats.export import Export, Row
from lab.store.tables import EFFORT_COLUMNS, STORED_SIGHTING_COLUMNS


class SightingsCsv(Export):
    """One row a stored sighting."""

    content = "sightings"
    suffix = ".csv"
    media_type = "text/csv"

    def write(self, rows: Sequence[Row]) -> str:
        return to_csv(rows, STORED_SIGHTING_COLUMNS)

    def write_batches(self, batches: Iterable[pa.RecordBatch], out: BinaryIO) -> None:
        write_csv(batches, STORED_SIGHTING_COLUMNS, out)


class SightingsJson(Export):
    """A list, one object a stored sighting."""

    content = "sightings"
    suffix = ".json"
    media_type = "application/json"

    def write(self, rows: Sequence[Row]) -> str:
        return json.dumps(list(rows), indent=1, default=str) + "\n"

    def write_batches(self, batches: Iterable[pa.RecordBatch], out: BinaryIO) -> None:
        start = "[\n"
        for batch in batches:
            for row in batch.to_pylist():
                out.write(f"{start}{json.dumps(row, default=str)}".encode())
                start = ",\n"
        out.write(b"[]\n" if start == "[\n" else b"\n]\n")


class SightingsParquet(Export):
    """One row a stored sighting, with its type; a row group a batch."""

    content = "sightings"
    suffix = ".parquet"
    media_type = "application/vnd.apache.parquet"

    def write(self, rows: Sequence[Row]) -> bytes:
        out = io.BytesIO()
        given = {name: [row.get(name) for row in rows] for name in STORED_SIGHTING_COLUMNS}
        pq.write_table(pa.table(given), out, compression="zstd")
        return out.getvalue()

    def write_batches(self, batches: Iterable[pa.RecordBatch], out: BinaryIO) -> None:
        writer = None
        for batch in batches:
            if writer is None:
                writer = pq.ParquetWriter(out, batch.schema, compression="zstd")
            writer.write_batch(batch)
        if writer is None:
            out.write(self.write([]))
        else:
            writer.close()


class EffortCsv(Export):
    """One row a run, also where nothing was found."""

    content = "effort"
    suffix = ".csv"
    media_type = "text/csv"

    def write(self, rows: Sequence[Row]) -> str:
        return to_csv(rows, EFFORT_COLUMNS)


class EffortJson(Export):
    """A list, one object a run."""

    content = "effort"
    suffix = ".json"
    media_type = "application/json"

    def write(self, rows: Sequence[Row]) -> str:
        return json.dumps(list(rows), indent=1, default=str) + "\n"
