"""Which files a detector was loaded from, and whether they are still the same.

Everything in this package that reads a file of a detector calls `note_file` before it reads.
`noting_files` collects these: what has changed after that is not what the detector holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from lab.errors import DetectorError


@dataclass(frozen=True)
class FileState:
    """What tells a file from one that took its place, or was written over it."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


def state_of(path: str | Path) -> FileState | None:
    """The state of a file or folder now; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return FileState(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    )


class LoadedFiles:
    """Files with their states from before they were read."""

    def __init__(self) -> None:
        self._states: dict[Path, FileState | None] = {}

    def note(self, path: str | Path) -> None:
        """Remember a file; the state from before it was read first counts."""
        self._states.setdefault(Path(path).absolute(), state_of(path))

    def update(self, other: LoadedFiles) -> None:
        for path, state in other._states.items():
            self._states.setdefault(path, state)

    @property
    def paths(self) -> list[Path]:
        return sorted(self._states)

    def changed(self) -> list[Path]:
        """The files that are others now, or gone."""
        return [path for path, state in self._states.items() if state_of(path) != state]

    def check(self) -> None:
        """Raises DetectorError if a file changed since it was first read."""
        if changed := self.changed():
            raise DetectorError(
                f"{changed[0]} changed while it was being loaded; wait until it is whole, "
                "then begin again"
            )


_NOTED: ContextVar[LoadedFiles | None] = ContextVar("noted files", default=None)


@contextmanager
def noting_files() -> Iterator[LoadedFiles]:
    """Collects the files that are read inside, also for a block around this one."""
    files, around = LoadedFiles(), _NOTED.get()
    token = _NOTED.set(files)
    try:
        yield files
    finally:
        _NOTED.reset(token)
        if around is not None:
            around.update(files)


def note_file(path: str | Path) -> None:
    """Say that a file is about to be read for a detector; of a folder, it and all of its files."""
    if (files := _NOTED.get()) is None:
        return
    files.note(path)
    if os.path.isdir(path):
        for inside in sorted(os.scandir(path), key=lambda entry: entry.name):
            if inside.is_file():
                files.note(inside.path)
