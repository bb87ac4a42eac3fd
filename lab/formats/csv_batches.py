"""Arrow batches as CSV."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from lab.formats.csv import to_csv


def write_csv(batches: Iterable[pa.RecordBatch], columns: list[str], out: BinaryIO) -> None:
    """As `lab.formats.csv.to_csv`, of batches with these columns, one after the other."""
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
    if not (pa.types.is_floating(kind) or pa.types.is_dictionary(kind)):
        # Ids, names and times of a batch repeat: each different one is looked at once.
        once = column.dictionary_encode()
        return pc.fill_null(_texts(once.dictionary).take(once.indices), "")
    return pc.fill_null(column.cast(pa.string()), "")


def _texts(column: pa.Array) -> pa.Array:
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
    return column.cast(pa.string())
