"""Which settings of a plugin may be recorded, and which are secrets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

# Settings that every plugin has: the wrapper applies them where the plugin does not.
WRAPPER_SETTINGS = ("labels", "score_floor")
_SECRET_WORDS = frozenset(
    ["key", "apikey", "token", "secret", "password", "passwd", "credential", "credentials", "auth"]
)
_USER_OF_URL = re.compile(r"(?<=://)[^/@\s]+@")


def is_secret(name: str) -> bool:
    """Whether a setting of this name is a key or a password, by its last word."""
    return re.split(r"[^a-z]+", name.lower())[-1] in _SECRET_WORDS


def secrets_of(settings: Mapping[str, Any]) -> list[str]:
    """The values that no message may show."""
    return [v for k, v in settings.items() if is_secret(k) and isinstance(v, str) and len(v) >= 4]


def redact(text: str, secrets: list[str]) -> str:
    """The text without these values, and without users and passwords in addresses."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _USER_OF_URL.sub("", text)


def on_record(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings that are JSON values, and the types of those that are not, by name.

    Keys and passwords are in neither: no score depends on them.
    """
    kept: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for name, value in settings.items():
        if is_secret(name):
            continue
        try:
            plain = os.fspath(value) if isinstance(value, os.PathLike) else value
            kept[name] = _public(json.loads(json.dumps(plain, allow_nan=False)))
        except (TypeError, ValueError):
            left_out[name] = type(value).__name__
    return kept, left_out


def _public(value: Any) -> Any:
    if isinstance(value, str):
        return _USER_OF_URL.sub("", value)
    if isinstance(value, list):
        return [_public(v) for v in value]
    if isinstance(value, dict):
        return {k: _public(v) for k, v in value.items() if not is_secret(str(k))}
    return value
