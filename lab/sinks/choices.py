"""Settings that several sinks have."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from lab.errors import SettingError, closest
from lab.sinks.event import EventKind

KINDS: tuple[str, ...] = get_args(EventKind)
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")


def kinds_of(events: Sequence[str] | str | None, otherwise: Sequence[str]) -> frozenset[str]:
    """Which events a sink takes. events: as its setting has them, None for `otherwise`."""
    if events is None:
        return frozenset(otherwise)
    named = [events] if isinstance(events, str) else list(events)
    for name in named:
        if name not in KINDS:
            raise SettingError(f"events: unknown event {name!r}; {closest(str(name), list(KINDS))}")
    if not named:
        raise SettingError(f"events must name one or more of {', '.join(KINDS)}")
    return frozenset(named)


def secret_of(given: str, setting: str, *variables: str) -> str:
    """A setting that is better kept in the environment. variables: asked in this order.

    Raises SettingError if it is nowhere.
    """
    found = given or next((os.environ[name] for name in variables if os.environ.get(name)), "")
    if not found:
        raise SettingError(
            f"{setting} is missing; set the environment variable {variables[0]}, "
            "or write it into .env beside the feeds file"
        )
    return found


def number_of(value: Any, name: str, low: float, high: float) -> float:
    """A number in [low, high]. Raises SettingError."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(value, bool) or not low <= number <= high:
        raise SettingError(f"{name} must be from {low:g} to {high:g}, got {value!r:.40}")
    return number


def texts_by_name(value: Mapping[str, Any] | None, name: str) -> dict[str, str]:
    """A mapping of texts, such as feeds and their addresses. Raises SettingError."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
        raise SettingError(f"{name} must be a mapping of names to texts")
    return {str(key): text for key, text in value.items()}


def whole_of(value: Any, name: str, low: int, high: float) -> int:
    """A whole number in [low, high]. Raises SettingError."""
    number = number_of(value, name, low, high)
    if number != int(number):
        raise SettingError(f"{name} must be a whole number, got {value!r:.40}")
    return int(number)


def choice_of(value: Any, name: str, known: Sequence[str]) -> str:
    """One of some words. Raises SettingError."""
    if value not in known:
        raise SettingError(f"{name} must be one of {', '.join(known)}, got {value!r:.40}")
    return str(value)


def text_of(value: Any, name: str) -> str:
    """A text that is not empty. Raises SettingError, without the value, which may be a secret."""
    if not isinstance(value, str) or not value.strip():
        raise SettingError(f"{name} must be a text that is not empty")
    return value


def folder_of(value: str | Path, name: str) -> Path:
    """A folder, which is made. Raises SettingError where none can be."""
    path = Path(text_of(str(value), name))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"{name}: {path} cannot be made: {error.strerror}") from None
    return path


def address_of(value: Any, name: str, schemes: Sequence[str]) -> tuple[str, str]:
    """An address, and its host with the port, which may be shown. schemes: such as `redis`.

    Raises SettingError, which does not show the address.
    """
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    address = text_of(value, name).strip()
    try:
        parts = urllib.parse.urlsplit(address)
        place = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        raise SettingError(f"{name} must be an address with {wanted} and a host") from None
    if parts.scheme not in schemes or not parts.hostname:
        raise SettingError(f"{name} must be an address with {wanted} and a host")
    return address, place


def in_name(text: str) -> str:
    """A text as part of a file's name."""
    return _NOT_IN_NAMES.sub("-", text).strip("-.")[:60] or "unnamed"
