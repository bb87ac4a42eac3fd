"""What a request sends: read up to a limit, and checked before anything is done with it."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from starlette.requests import Request

from lab.access.asker import RefusedError
from lab.app.server.access import limits_of
from lab.errors import NotFoundError, SettingError

_TOKEN = "token"  # the guard takes it
MAX_DEPTH = 32
MAX_NAME_BYTES = 255  # as of a file name
_MAX_NUMBER = 2**53  # what JSON numbers hold exactly, in every program


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; see `bounded_body` and `object_of` for what is raised."""
    return object_of(await bounded_body(request), "the body")


async def bounded_body(request: Request) -> bytes:
    """The body. Raises RefusedError 413 beyond max_body_bytes, counted as they arrive."""
    content = bytearray()
    most = limits_of(request).max_body_bytes
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise RefusedError(
                413, f"the body has more than {most} bytes; send it in several requests"
            )
    return bytes(content)


def object_of(content: str | bytes | bytearray, what: str) -> dict[str, Any]:
    """A JSON object without NaN, infinities or numbers that no program agrees on.

    what: that it is, for errors.

    Raises SettingError.
    """
    try:
        value = json.loads(content, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise SettingError(f"{what} is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:  # UnicodeDecodeError, JSONDecodeError, an int of 5,000 digits
        raise SettingError(f"{what} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise SettingError(f"{what} must be a JSON object, got {_kind(value)}")
    _check(value, MAX_DEPTH, what)
    return value


def name(value: Mapping[str, Any], key: str) -> str:
    """A text of a body: an id, a label or a name. Raises SettingError."""
    given = value.get(key)
    if not isinstance(given, str):
        raise SettingError(f"{key} must be a text, got {_kind(given)}")
    check_name(given, key)
    return given


def check_name(given: str, what: str) -> None:
    """Raises SettingError for a text that is no id or name."""
    if len(given.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise SettingError(f"{what} must have at most {MAX_NAME_BYTES} bytes, got {given[:40]!r}…")
    if "\0" in given or any("\ud800" <= c <= "\udfff" for c in given):
        raise SettingError(f"{what} holds a character that no text has: {given!r}")


def check_id(given: str, what: str) -> None:
    """An id of an address, before anything looks for it: never a path.

    Raises NotFoundError for a path, SettingError for what is no text.
    """
    check_name(given, what)
    is_path = given in ("", ".", "..") or any(c in "/\\" or not c.isprintable() for c in given)
    if is_path:
        raise NotFoundError(f"{what} is no id: {given[:40]!r}")


def check_parameters(request: Request, known: Collection[str]) -> None:
    """Raises SettingError for a parameter of the address that nobody would look at."""
    for given in request.query_params:
        if given not in known and given != _TOKEN:
            takes = f"it takes {', '.join(sorted(known))}" if known else "it takes nothing"
            raise SettingError(f"this address does not take {given[:80]!r}; {takes}")


def number(value: Mapping[str, Any], key: str, default: float | None = None) -> float:
    """A number of a body. Raises SettingError."""
    given = value.get(key, default)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise SettingError(f"{key} must be a number, got {_kind(given)}")
    return given


def whole_number(text: str, what: str) -> int:
    """A whole number of an address. Raises SettingError."""
    if not (text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= 17):
        raise SettingError(f"{what} must be a whole number, got {text[:40]!r}")
    return int(text)


def mapping(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An object of a body. Raises SettingError."""
    given = value.get(key)
    if not isinstance(given, dict):
        raise SettingError(f"{key} must be an object, got {_kind(given)}")
    return given


def _check(value: Any, levels: int, what: str) -> None:
    """Depth, keys and numbers. As deep as MAX_DEPTH at most, so it may call itself."""
    if isinstance(value, dict | list):
        if levels == 0:
            raise SettingError(f"{what} is nested deeper than {MAX_DEPTH} levels")
        for inner in value.values() if isinstance(value, dict) else value:
            _check(inner, levels - 1, what)
    if isinstance(value, dict):
        for key in value:
            check_name(key, "a key")
    elif isinstance(value, int | float) and abs(value) > _MAX_NUMBER:
        raise SettingError(f"numbers must lie within ±2**53, got {str(value)[:20]}…")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse(text)
    return number


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not a finite number")


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return kinds.get(type(value), "a number")
