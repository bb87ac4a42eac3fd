"""Arrays for the browser in one answer, which it reads without copying them.

Layout, all little-endian:

    bytes 0 to 3    uint32: the length of the header in bytes, a multiple of 8 less 4
    then            the header: JSON in UTF-8, filled up with spaces
    then            the arrays, each from a multiple of 8 bytes

The header has a key `arrays`: for each array its type (`float64`, `float32`, `int32`, `int16`,
`uint16`, `uint8`), where it begins after the header in bytes, and its number of values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

_TYPES = ("float64", "float32", "int32", "int16", "uint16", "uint8")
_ALIGNED = 8


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A header, of JSON values, and flat arrays. Raises ValueError for another type."""
    placed: dict[str, tuple[str, int, int]] = {}
    parts: list[bytes] = []
    at = 0
    for name, values in arrays.items():
        kind = values.dtype.name
        if kind not in _TYPES:
            raise ValueError(f"{name} must be one of {', '.join(_TYPES)}, got {kind}")
        content = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        placed[name] = kind, at, values.size
        parts.append(content + bytes(-len(content) % _ALIGNED))
        at += len(parts[-1])
    text = json.dumps({**header, "arrays": placed}, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % _ALIGNED)
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def unpack(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `pack` was given: the header, and the arrays by name."""
    length = int.from_bytes(content[:4], "little")
    header = json.loads(content[4 : 4 + length])
    arrays = {
        name: np.frombuffer(content, np.dtype(kind).newbyteorder("<"), count, 4 + length + at)
        for name, (kind, at, count) in header.pop("arrays").items()
    }
    return header, arrays
