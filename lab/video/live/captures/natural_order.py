"""Names in the order in which people number them."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"(\d+)")


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts `b2` before `b10`."""
    parts = _DIGITS.split(name)
    return tuple(
        (1, int(part), part) if part.isdecimal() and part.isascii() else (0, 0, part)
        for part in parts
        if part
    )
