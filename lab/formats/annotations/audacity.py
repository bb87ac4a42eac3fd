"""Audacity labels: start, end and text, separated by tabs; one file per media."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.errors import SettingError
from lab.formats.annotations.table import annotation_row, time_us


def read(text: str, name: str) -> list[dict[str, Any]]:
    """Rows without a media: the caller knows which it is. Raises SettingError with the line."""
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{name}, line {number}"
        # A frequency range follows on a line of its own.
        if not line.strip() or line.startswith("\\"):
            continue
        parts = line.split("\t")
        if len(parts) < 3 or not parts[2].strip():
            raise SettingError(
                f"{where}: a label line is start, end and text, separated by tabs, "
                f"got {line[:60]!r}"
            )
        start, end = time_us(parts[0], where), time_us(parts[1], where)
        if end < start:
            raise SettingError(f"{where}: ends before it begins; swap the two")
        out.append(annotation_row("", parts[2].strip(), start, end, where))
    return out


def write(rows: Iterable[Mapping[str, Any]]) -> str:
    """Of one media."""
    return "".join(
        f"{row['start_us'] / 1e6:.6f}\t{row['end_us'] / 1e6:.6f}\t"
        f"{' '.join(row['label'].split())}\n"
        for row in rows
        if row["start_us"] is not None
    )
