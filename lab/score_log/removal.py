"""A score log that was removed to make room: its folder says so, and keeps what made it.

The manifest stays, with recipe and labels and the checksums of the parts that were there, and
with `run.json` and `outcome.json` what a repair of the catalog needs. The lock's file stays as
well, since another process may be waiting for it.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lab.atomic_file import PART_NAME
from lab.errors import LogRemovedError
from lab.score_log.manifest import ADDED, NAME, read_manifest, run_of, write_manifest
from lab.score_log.parts import added_folders, is_set_aside, part_number

_REMOVED = "removed"
STAY = frozenset([NAME, "lock", "run.json", "outcome.json"])  # of a log that was removed


class LogInUseError(Exception):
    """Another process is writing the log."""


def is_removed(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is of a log that was removed."""
    return _REMOVED in manifest


def removed_utc(manifest: Mapping[str, Any]) -> str | None:
    """When the log of this manifest was removed, as ISO 8601 in UTC; None if it was not."""
    return manifest[_REMOVED]["utc"] if is_removed(manifest) else None


def removed_text(run_id: str, removed_utc: datetime | str) -> str:
    """That a run has no score log any more, and the way out, in one line."""
    return (
        f"the score log of run {run_id} was removed to make room on {str(removed_utc)[:10]}; its "
        "sightings and its effort stay, and while its clip is there the log can be made again: "
        f"lab analyze --resume {run_id}"
    )


def check_not_removed(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raises LogRemovedError for the manifest of a log that was removed."""
    if is_removed(manifest):
        raise LogRemovedError(removed_text(run_of(folder), manifest[_REMOVED]["utc"]))


def forget_removal(folder: Path) -> None:
    """The log is written again. Only for the holder of its lock. Raises OSError."""
    manifest = read_manifest(folder)
    if manifest.pop(_REMOVED, None) is not None:
        write_manifest(folder, manifest)


class LogRemoval:
    """The right to remove a log: its lock, and those of labels that were added to it.

    A context manager. Raises LogInUseError if another process writes one of them, DamagedManifest
    for a log whose manifest is not what was written, and OSError.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._locks = ExitStack()
        self._taken: set[Path] = set()
        try:
            self._take(folder)
            self._manifest = read_manifest(folder)
            self._take_added()
        except BaseException:
            self._locks.close()
            raise

    def __enter__(self) -> LogRemoval:
        return self

    def __exit__(self, *exc: object) -> None:
        self._locks.close()

    def remove(self, removed_utc: datetime) -> int:
        """Note in the manifest that the log was removed, then delete its files; the bytes of these.

        May be done again where it was interrupted. Raises OSError; LogInUseError, with nothing
        done, if prompts are being added by now.
        """
        self._take_added()
        note = self._noted(removed_utc)
        try:
            write_manifest(self.folder, note, is_durable=False)
            has_said = True
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            has_said = False  # there is room as soon as the parts are gone
        size_bytes = 0
        for file in _files(self.folder):
            size_bytes += file.stat().st_size
            file.unlink()
        added = self.folder / ADDED
        if added.is_dir():
            size_bytes += sum(f.stat().st_size for f in added.rglob("*") if f.is_file())
            shutil.rmtree(added)
        if not has_said:
            write_manifest(self.folder, note, is_durable=False)
        return size_bytes

    def _noted(self, removed_utc: datetime) -> dict[str, Any]:
        """The manifest of a log that was removed."""
        manifest = dict(self._manifest)
        if not is_removed(manifest):
            manifest.pop("is_open", None)
            parts = manifest.pop("parts", [])
            manifest[_REMOVED] = {"utc": removed_utc.isoformat(), "parts": parts}
        return {**manifest, "parts": []}

    def _take_added(self) -> None:
        for one in added_folders(self.folder, self._manifest):
            if one.is_dir() and one not in self._taken:
                self._take(one)

    def _take(self, folder: Path) -> None:
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise LogInUseError(f"{folder / NAME} is being written") from None
        self._locks.callback(lock.release)
        self._taken.add(folder)


def is_log_file(file: Path) -> bool:
    """Whether a file goes with its log, by its name: parts, also those set aside or unfinished, and
    no strays of others.
    """
    return (
        part_number(file) is not None or is_set_aside(file) or bool(PART_NAME.fullmatch(file.name))
    )


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if is_log_file(file)]
