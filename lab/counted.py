"""A number with its noun: the one place that knows how plurals are made."""

from __future__ import annotations


def counted(n: int, one: str, many: str | None = None) -> str:
    """Such as `1 clip`, `2,000 clips` or, with `many`, `2 analyses`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
