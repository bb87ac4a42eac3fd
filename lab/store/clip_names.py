"""What a clip is called: with as much of its path as tells it from all others of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# Neighbours in the order of the paths read from their ends share the most with each other.
BESIDE = """lag(path) OVER beside AS before, lead(path) OVER beside AS after"""
WINDOW_BESIDE = """WINDOW beside AS (
        PARTITION BY name ORDER BY list_reverse(string_split(path, '/')), media_id)"""
NAMES = f"""WITH wanted AS (SELECT media_id, name FROM media{{where}}),
    named AS (SELECT media_id, path, {BESIDE} FROM media
        WHERE name IN (SELECT name FROM wanted) {WINDOW_BESIDE})
    SELECT * FROM named WHERE media_id IN (SELECT media_id FROM wanted)"""


def clip_name(row: Mapping[str, Any]) -> str:
    """The name of a row with media_id, path, and the paths `before` and `after` it."""
    around = [row["before"], row["after"]]
    name = distinguishing_end(row["path"], around)
    if row["path"] in around:  # a file that was replaced is two clips at one place
        name += f" ({row['media_id'][:6]})"
    return name


def distinguishing_end(path: str, others: Iterable[str | None]) -> str:
    """The shortest end of a path, in whole parts, that no other path has."""
    parts = Path(path).parts
    longest = 1
    for other in others:
        if other is None or other == path:
            continue
        shared, theirs = 0, Path(other).parts
        while shared < min(len(parts), len(theirs)) and parts[-1 - shared] == theirs[-1 - shared]:
            shared += 1
        longest = max(longest, min(shared + 1, len(parts)))
    return str(Path(*parts[-longest:]))
