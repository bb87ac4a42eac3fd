"""Columns of Arrow tables, from plain values and back.

`pyarrow.array` and `to_numpy` import pandas, if only to see that nobody gave a Series, and that
takes longer than a short clip; these go by buffers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

_MOMENT = pa.timestamp("us")


def column(values: Iterable[Any], kind: pa.DataType | None = None) -> pa.Array:
    """One column; None is a missing value.

    values: a numpy array of numbers, or plain values of one kind. kind: of the column; by itself
    that of the values: int64, float64, bool, string, timestamp, or null where all are missing.
    Other kinds are left to pyarrow.
    """
    if isinstance(values, np.ndarray):
        return _numbers(values, None, kind)
    values = list(values)
    known = [value is not None for value in values]
    kind = kind or _kind_of([value for value in values if value is not None])
    is_valid = None if all(known) else np.array(known, bool)
    if kind == pa.string():
        return _strings(values, is_valid)
    if kind == pa.bool_():
        buffers = [_bits(is_valid), _bits(np.array(values, bool))]
        return pa.Array.from_buffers(kind, len(values), buffers)
    if kind == _MOMENT:
        ticks = np.array(values, "datetime64[us]").view(np.int64)
        return pa.Array.from_buffers(kind, len(ticks), [_bits(is_valid), pa.py_buffer(ticks)])
    if kind == pa.null():
        return pa.nulls(len(values))
    if kind in (pa.int64(), pa.float64(), pa.float32()):
        filled = [0 if value is None else value for value in values]
        return _numbers(np.array(filled, kind.to_pandas_dtype()), is_valid, kind)
    return pa.array(values, kind)


def table(columns: Iterable[Iterable[Any]], schema: pa.Schema) -> pa.Table:
    """A table of columns in the order of the schema."""
    made = [column(c, field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.Table.from_batches([pa.RecordBatch.from_arrays(made, schema=schema)])


def empty_table(schema: pa.Schema) -> pa.Table:
    return table([()] * len(schema), schema)


def numbers(values: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column of numbers that has all of them; read-only, without a copy where it is one chunk."""
    if not len(values):
        return np.zeros(0, values.type.to_pandas_dtype())
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return np.from_dlpack(whole)


def texts(values: pa.ChunkedArray) -> np.ndarray:
    """A column of texts as objects, each different one kept once; None is a missing value."""
    if not len(values):
        return np.zeros(0, object)
    codes = values.combine_chunks().dictionary_encode("encode")
    return np.array(codes.dictionary.to_pylist(), object)[numbers(codes.indices)]


def coded(values: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """A column of texts, all of them known, as positions in a list of its different texts."""
    if not len(values):
        return np.zeros(0, np.int32), []
    codes = values.unify_dictionaries().combine_chunks().dictionary_encode()
    return numbers(codes.indices), codes.dictionary.to_pylist()


def _kind_of(values: Sequence[Any]) -> pa.DataType | None:
    types = set(map(type, values))
    if types <= {int}:
        return pa.int64() if types else pa.null()
    if types <= {int, float}:
        return pa.float64()
    if types == {datetime}:
        return None if any(value.tzinfo for value in values) else _MOMENT
    return {str: pa.string(), bool: pa.bool_()}.get(*types) if len(types) == 1 else None


def _numbers(values: np.ndarray, is_valid: np.ndarray | None, kind: pa.DataType | None) -> pa.Array:
    kind = kind or pa.from_numpy_dtype(values.dtype)
    data = np.ascontiguousarray(values, kind.to_pandas_dtype())
    return pa.Array.from_buffers(kind, len(data), [_bits(is_valid), pa.py_buffer(data)])


def _strings(values: Sequence[str | None], is_valid: np.ndarray | None) -> pa.Array:
    encoded = [b"" if value is None else value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    if ends[-1] > np.iinfo(np.int32).max:  # pyarrow makes several chunks
        return pa.array(values, pa.string())
    offsets = pa.py_buffer(ends.astype(np.int32))
    buffers = [_bits(is_valid), offsets, pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def _bits(is_valid: np.ndarray | None) -> pa.Buffer | None:
    return None if is_valid is None else pa.py_buffer(np.packbits(is_valid, bitorder="little"))
