"""A folder that something else fills: the files in it that are complete, each once, in order."""

from __future__ import annotations

import glob
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Collection
from pathlib import Path

from lab.atomic_file import write_atomically
from lab.errors import SettingError, SourceError
from lab.video.live.captures.file_log import FoundFile
from lab.video.live.captures.natural_order import natural_key

POLL_S = 0.25
_OLD_S = 60.0
_WILD = re.compile(r"[*?\[]")
_ANNOUNCED = "announced"


class WatchedFolder:
    """path: a folder, of which the files with one of the suffixes count, or a pattern with `*`.

    settle_s: for how long a file must stay as it is before it counts as written.
    """

    def __init__(self, path: str, suffixes: Collection[str], settle_s: float) -> None:
        if not isinstance(path, str | os.PathLike) or not str(path):
            raise SettingError(f"path must be a folder or a pattern, got {path!r:.80}")
        self._pattern = str(path) if _WILD.search(str(path)) else None
        whole = Path(path).expanduser()
        if self._pattern is not None:
            fixed = whole.parts[: _first_wild(whole.parts)]
            self.folder = Path(*fixed) if fixed else Path()
            self._pattern = str(whole)
        else:
            self.folder = whole
        self._suffixes, self._settle_s = frozenset(suffixes), settle_s
        self._seen: dict[str, tuple[int, int, float]] = {}

    def files(self) -> list[FoundFile]:
        """All of them, in natural order. Raises SourceError if the folder is not there."""
        try:
            if not self.folder.is_dir():
                raise SourceError(f"there is no folder {self.folder}; it is looked for again")
            names = self._names()
        except OSError as error:
            why = error.strerror or error
            raise SourceError(f"{self.folder} cannot be read: {why}") from None
        found = []
        for name in sorted(names, key=natural_key):
            try:
                about = (self.folder / name).stat()
            except OSError:
                continue  # gone meanwhile
            if stat.S_ISREG(about.st_mode):
                path = self.folder / name
                found.append(FoundFile(path, name, about.st_mtime_ns, about.st_size))
        return found

    def are_written(
        self, files: list[FoundFile], known: Collection[str] = (), *, next_ends: bool = False
    ) -> list[FoundFile]:
        """Those that nobody writes any more: `known` to be whole, or unchanged for a while.

        next_ends: a file is whole when there is one after it.
        """
        now, wall_time = time.monotonic(), time.time()
        written, seen = [], {}
        for number, file in enumerate(files):
            about = (file.mtime_ns, file.size_bytes)
            before = self._seen.get(file.name)
            is_same = before is not None and before[:2] == about
            since = before[2] if is_same and before is not None else now
            seen[file.name] = (*about, since)
            if (
                file.name in known
                or (next_ends and number + 1 < len(files))
                or now - since >= self._settle_s
                or wall_time - file.mtime_ns / 1e9 > max(_OLD_S, self._settle_s)
            ):
                written.append(file)
        self._seen = seen
        return written

    def _names(self) -> list[str]:
        if self._pattern is not None:
            paths = glob.glob(self._pattern, recursive=True)
            return [os.path.relpath(path, self.folder) for path in paths]
        with os.scandir(self.folder) as entries:
            return [
                entry.name
                for entry in entries
                if Path(entry.name).suffix.lower() in self._suffixes
                and not entry.name.startswith(".")
            ]


def _first_wild(parts: tuple[str, ...]) -> int:
    return next(i for i, part in enumerate(parts) if _WILD.search(part))


def announce(state_folder: Path, name: str) -> None:
    """Say that a file of a watched folder is written, so that it is not waited for.

    name: relative to the folder. Raises SettingError for one that leads elsewhere, OSError.
    """
    parts = Path(name).parts
    if not name or Path(name).is_absolute() or ".." in parts or "\0" in name or len(name) > 1024:
        raise SettingError(f"name must be that of a file in the watched folder, got {name!r:.80}")
    folder = state_folder / _ANNOUNCED
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{time.time_ns()}-{secrets.token_hex(4)}.json"
    write_atomically(file, json.dumps({"name": name}))


def take_announced(state_folder: Path) -> set[str]:
    """The names that were announced since the last call."""
    names = set()
    for file in sorted((state_folder / _ANNOUNCED).glob("*.json")):
        try:
            names.add(str(json.loads(file.read_text(encoding="utf-8"))["name"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not ours
        file.unlink(missing_ok=True)
    return names
