"""Bytes of a store by kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.retention.items import bytes_below, entries
from lab.store.store import Store

_FOLDERS = {
    "logs": "logs",
    "clips": "uploads",
    "removed": "removed",
    "copies": "playable",
    "pictures": "pictures",
    "backups": "backups",
    "feeds": "feeds",
}


@dataclass(frozen=True)
class Usage:
    """Bytes by kind: `logs`, `clips`, `removed`, `copies`, `pictures`, `backups` of the catalog,
    `feeds` (recordings, and what the process that watches keeps), `catalog` and `other`.
    """

    by_kind: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.by_kind.values())


def usage(store: Any = None) -> Usage:
    """How many bytes the files of a store have. Raises OSError."""
    folder = Store.coerce(store).folder
    found = {kind: bytes_below(folder / name) for kind, name in _FOLDERS.items()}
    found |= {"catalog": 0, "other": 0}
    for one in entries(folder):
        if one.is_dir(follow_symlinks=False):
            found["other"] += 0 if one.name in _FOLDERS.values() else bytes_below(one.path)
        else:
            kind = "catalog" if one.name.startswith("catalog.duckdb") else "other"
            found[kind] += one.stat(follow_symlinks=False).st_size
    return Usage(found)
