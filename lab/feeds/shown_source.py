"""A source as it may be shown: without passwords, keys and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.detectors.plugins.secrets import is_secret
from lab.video.live.captures.stream import without_password

_FIRST = ("url", "path", "folder", "device", "listen", "pattern")


def shown_source(source: Mapping[str, Any]) -> str:
    """In a few words: the address, path or device that it names, else its type."""
    for name in _FIRST:
        value = source.get(name)
        if value not in (None, "") and not is_secret(name):
            return without_password(str(value))
    return str(source.get("type", ""))
