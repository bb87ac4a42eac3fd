"""Which feeds and sinks were made on pages; the others are in the file that a terminal watches."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import yaml

from lab.app.server.state import AppState
from lab.feeds.write_feeds import app_file


def of_file(here: AppState) -> Callable[[str, str], bool]:
    """Whether one of the `feeds` or `sinks`, given its name, is in the file that `lab watch` was
    given, where alone it is changed.
    """
    status = here.live.get()
    if status is None or status.get("file") is None:
        return lambda kind, name: False
    made = _made_in(app_file(here.store.folder))
    return lambda kind, name: name not in made[kind]


def _made_in(file: Path) -> dict[str, frozenset[str]]:
    try:
        state = file.stat()
    except OSError:
        return {"feeds": frozenset(), "sinks": frozenset()}
    return _read(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _read(file: Path, changed: int, size: int) -> dict[str, frozenset[str]]:
    """changed, size: so that it is read once for each change."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        content = None
    content = content if isinstance(content, dict) else {}
    rows, sinks = content.get("feeds"), content.get("sinks")
    ids = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {
        "feeds": frozenset(one for one in ids if isinstance(one, str)),
        "sinks": frozenset(map(str, sinks)) if isinstance(sinks, dict) else frozenset(),
    }
