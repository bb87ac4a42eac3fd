"""AMF0: how RTMP writes the values of its commands."""

from __future__ import annotations

import struct
from typing import Any

_MAX_DEPTH = 8
_END = b"\x00\x00\x09"
NUMBER, BOOLEAN, STRING, OBJECT, NULL, UNDEFINED = 0, 1, 2, 3, 5, 6
ARRAY, END, STRICT_ARRAY, DATE, LONG_STRING = 8, 9, 10, 11, 12


def encode(*values: object) -> bytes:
    """Numbers, booleans, strings, None and mappings of strings to them."""
    return b"".join(map(_encoded, values))


def _encoded(value: object) -> bytes:
    if value is None:
        return bytes([NULL])
    if isinstance(value, bool):
        return bytes([BOOLEAN, value])
    if isinstance(value, int | float):
        return struct.pack(">Bd", NUMBER, value)
    if isinstance(value, str):
        return bytes([STRING]) + _text(value)
    if isinstance(value, dict):
        pairs = b"".join(_text(str(key)) + _encoded(one) for key, one in value.items())
        return bytes([OBJECT]) + pairs + _END
    raise TypeError(f"AMF0 has no {type(value).__name__}")


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def decode(data: bytes) -> list[Any]:
    """All values of a message. Raises ValueError if it is damaged, or nested too deeply."""
    values, place = [], 0
    try:
        while place < len(data):
            value, place = _decoded(data, place, 0)
            values.append(value)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"damaged AMF0: {error}") from None
    return values


def _decoded(data: bytes, place: int, depth: int) -> tuple[Any, int]:
    kind, place = data[place], place + 1
    if depth > _MAX_DEPTH:
        raise ValueError(f"AMF0 is nested more than {_MAX_DEPTH} times")
    if kind == NUMBER:
        return struct.unpack_from(">d", data, place)[0], place + 8
    if kind == BOOLEAN:
        return data[place] != 0, place + 1
    if kind in (STRING, LONG_STRING):
        return _read_text(data, place, ">H" if kind == STRING else ">I")
    if kind in (NULL, UNDEFINED):
        return None, place
    if kind == DATE:
        return struct.unpack_from(">d", data, place)[0], place + 10
    if kind == STRICT_ARRAY:
        return _decoded_list(data, place, depth)
    if kind in (OBJECT, ARRAY):
        return _decoded_pairs(data, place + (4 if kind == ARRAY else 0), depth)
    raise ValueError(f"AMF0 has no type {kind}")


def _decoded_list(data: bytes, place: int, depth: int) -> tuple[list[Any], int]:
    (count,) = struct.unpack_from(">I", data, place)
    place += 4
    if count > len(data):
        raise ValueError(f"AMF0 promises {count} values in {len(data)} bytes")
    values = []
    for _ in range(count):
        value, place = _decoded(data, place, depth + 1)
        values.append(value)
    return values, place


def _decoded_pairs(data: bytes, place: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while True:
        key, place = _read_text(data, place, ">H")
        if not key and data[place] == END:
            return found, place + 1
        found[key], place = _decoded(data, place, depth + 1)


def _read_text(data: bytes, place: int, length: str) -> tuple[str, int]:
    (size,) = struct.unpack_from(length, data, place)
    place += struct.calcsize(length)
    if place + size > len(data):
        raise ValueError(f"AMF0 promises {size} bytes, {len(data) - place} are there")
    return data[place : place + size].decode(), place + size
