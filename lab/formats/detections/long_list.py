"""A JSON object that is mostly one long list, read item by item."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")
_decode = json.JSONDecoder().raw_decode


def walk(text: str, key: str) -> Iterator[tuple[str | None, Any]]:
    """The members of an object, in their order; of the list under `key`, each item by itself.

    Items come with None for a name, after `(key, [])`: as Python objects, all at once, they would
    take ten times the memory of the text. Raises ValueError for text that is not one JSON object.
    """
    at = _expect(text, 0, "{")
    if _next(text, at) == "}":
        return _end(text, _expect(text, at, "}"))
    while True:
        name, at = _decode(text, _skip(text, at))
        if not isinstance(name, str):
            raise json.JSONDecodeError("Expecting property name", text, at)
        at = _skip(text, _expect(text, at, ":"))
        if name == key and text[at : at + 1] == "[":
            yield name, []
            at += 1
            while _next(text, at) != "]":
                item, at = _decode(text, _skip(text, at))
                yield None, item
                if _next(text, at) != "]":
                    at = _skip(text, _expect(text, at, ","))
                    if text[at : at + 1] == "]":
                        raise json.JSONDecodeError("Expecting value", text, at)
            at = _expect(text, at, "]")
        else:
            value, at = _decode(text, at)
            yield name, value
        if _next(text, at) == "}":
            return _end(text, _expect(text, at, "}"))
        at = _expect(text, at, ",")


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _next(text: str, at: int) -> str:
    at = _skip(text, at)
    return text[at : at + 1]


def _expect(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise json.JSONDecodeError(f"Expecting {mark!r}", text, at)
    return at + 1


def _end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise json.JSONDecodeError("Extra data", text, at)
