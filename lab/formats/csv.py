"""Rows as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc


def to_csv(rows: Iterable[Mapping[str, Any]], columns: list[str]) -> str:
    """CSV with a header; text that a spreadsheet would run as a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return out.getvalue()


def write_csv(batches: Iterable[pa.RecordBatch], columns: list[str], out: BinaryIO) -> None:
    """As `to_csv`, of batches with these columns; no more than one of them is in memory."""
    out.write(to_csv([], columns).encode())
    for batch in batches:
        cells = [_cells(batch.column(name)) for name in columns]
        if len(batch):
            lines = pc.binary_join_element_wise(*cells, ",")
            # Strings lie one behind the other in an array: with their ends they are the file.
            ended = pc.binary_join_element_wise(lines, "\n", "")
            out.write(ended.buffers()[2])


def _cells(column: pa.Array) -> pa.Array:
    """Every value as its text in a CSV."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        text = pc.strftime(column.cast(pa.timestamp("us")), format="%Y-%m-%dT%H:%M:%SZ")
        column = pc.replace_substring(text, ".000000Z", "Z")
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        formula = pc.match_substring_regex(column, r"^[=+\-@\t\r]")
        column = pc.if_else(formula, pc.binary_join_element_wise("'", column, ""), column)
        quoted = pc.replace_substring(column, '"', '""')
        column = pc.if_else(
            pc.match_substring_regex(column, '[",\n\r]'),
            pc.binary_join_element_wise('"', quoted, '"', ""),
            column,
        )
    return pc.fill_null(column.cast(pa.string()), "")


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
