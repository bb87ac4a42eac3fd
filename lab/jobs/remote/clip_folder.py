"""Clips that a worker has fetched: kept for its next jobs within a size, removed at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from lab.errors import SettingError, SourceError
from lab.leftovers import remove_folders_of_the_dead
from lab.video.media import identify

_PREFIX = "lab-clips-"
_HEX = frozenset("0123456789abcdef")


class ClipFolder:
    """A folder of its own for this process; a context manager. Those of killed ones go first.

    max_bytes: of all clips together. parent: where it lies; by default among the temporary ones.
    """

    def __init__(self, max_bytes: int, parent: Path | None = None) -> None:
        self.max_bytes = max_bytes
        place = parent or Path(tempfile.gettempdir())
        try:
            place.mkdir(parents=True, exist_ok=True)
            remove_folders_of_the_dead(_PREFIX, place)
            self.path = place / f"{_PREFIX}{os.getpid()}"
            self.path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SettingError(
                f"{place} cannot be written: {error.strerror}; name another folder with --clips"
            ) from None

    def __enter__(self) -> ClipFolder:
        return self

    def __exit__(self, *exc: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def get(
        self, media_id: str, title: str, size_bytes: int, fetch: Callable[[Path], bool]
    ) -> Path | None:
        """The file of a clip, fetched unless it is there; None if that was stopped.

        fetch: writes a file, or what it lacks. Raises SourceError for what is not that clip, and
        what `fetch` does.
        """
        if len(media_id) != 16 or not set(media_id) <= _HEX:
            raise SourceError(f"{media_id[:40]!r} is no id of a clip")
        name = f"{media_id}{_ending(title)}"
        path, part = self.path / name, self.path / f"{name}.part"
        if path.exists():
            os.utime(path)
            return path
        self._make_room(size_bytes, part)
        if not fetch(part):
            return None
        if identify(part) != media_id:
            part.unlink()
            raise SourceError("what came is not the clip that was announced; it may have changed")
        part.replace(path)
        return path

    def _make_room(self, size_bytes: int, kept: Path) -> None:
        """Remove clips that were not used for the longest time."""
        if size_bytes > self.max_bytes:
            raise SettingError(
                f"the clip has {size_bytes / 1e9:.3g} GB, and this worker keeps "
                f"{self.max_bytes / 1e9:.3g} GB; give it more with --keep-gb"
            )
        found = sorted(
            (one for one in self.path.iterdir() if one != kept and one.is_file()),
            key=lambda one: one.stat().st_mtime,
        )
        held = sum(one.stat().st_size for one in found)
        while found and held + size_bytes > self.max_bytes:
            oldest = found.pop(0)
            held -= oldest.stat().st_size
            oldest.unlink()


def _ending(title: str) -> str:
    """Of the file's name: some containers are known by it."""
    ending = Path(title).suffix.lower()
    return ending if ending[1:].isalnum() and len(ending) <= 8 and ending.isascii() else ""
