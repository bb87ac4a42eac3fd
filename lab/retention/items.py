"""What there is of each kind, with its bytes and age."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lab.config import load_config
from lab.errors import printable
from lab.jobs.queue.file import FILE_NAME
from lab.jobs.queue.job_queue import JobQueue
from lab.runs.leftovers import find_leftovers
from lab.score_log.manifest import ADDED
from lab.score_log.removal import STAY, is_log_file
from lab.store.store import Store
from lab.video.registered import is_address

_COPY = re.compile(r"([0-9a-f]+)\.mp4")


@dataclass(frozen=True)
class Item:
    """Something that may go. key: a run's or a clip's id, or a path. name: for people.

    since_utc: since when it is there. kept: a word of `lab.retention.kinds.REASONS`, or None.
    is_stopped: its removal was begun, and did not come to its end. media_id: of the clip from whose
    file it can be made again; None for what nobody needs to.
    """

    key: str
    name: str
    size_bytes: int
    since_utc: datetime
    kept: str | None = None
    sightings: int = 0
    is_reviewed: bool = False
    is_stopped: bool = False
    media_id: str | None = None


class Inventory:
    """The items of a store, each kind looked for when it is asked for. Changes nothing."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def items(self, kind: str) -> list[Item]:
        """Of one kind, the oldest first. Raises StoreError."""
        found = {
            "leftovers": self._leftovers,
            "pictures": self._pictures,
            "copies": self._copies,
            "removed": self._removed,
            "clips": self._clips,
            "logs": self._logs,
        }[kind]()
        return sorted(found, key=lambda item: (item.since_utc, item.key))

    @cached_property
    def clips(self) -> dict[str, dict[str, Any]]:
        """Every clip by its id, as the catalog knows it."""
        return {row["media_id"]: row for row in self.store.retention_clips()}

    def has_original(self, media_id: str) -> bool:
        """Whether there is a file from which pictures and copies can be made again; so too for a
        clip that is no longer in the store, which needs none.
        """
        row = self.clips.get(media_id)
        return row is None or is_address(row["path"]) or os.path.exists(row["path"])

    def _logs(self) -> Iterator[Item]:
        logs = self.store.folder / "logs"
        for row in self.store.retention_runs():
            size_bytes = log_bytes(f"{logs}/{row['run_id']}")
            is_stopped = row["log_removed_utc"] is not None
            if is_stopped and not size_bytes:
                continue
            yield Item(
                row["run_id"],
                f"{row['name'] or 'a clip that is not known'}, run {row['run_id']}",
                size_bytes,
                row["since_utc"],
                kept=None if is_stopped else row["kept"] or (None if size_bytes else "damaged"),
                sightings=row["sightings"],
                is_stopped=is_stopped,
                media_id=row["media_id"],
            )

    def _clips(self) -> Iterator[Item]:
        waiting, places = waiting_paths(self.store), Uploads(self.store)
        for row in self.clips.values():
            found = places.stat(row["path"])
            if found is None:
                continue
            is_stopped = row["file_removed_utc"] is not None
            why = "waiting" if row["path"] in waiting else row["kept"]
            yield Item(
                row["media_id"],
                row["name"],
                found.st_size + _size(self.store.playable_file(row["media_id"])),
                row["added_utc"],
                kept=None if is_stopped else why,
                sightings=row["sightings"],
                is_stopped=is_stopped,
            )

    def _pictures(self) -> Iterator[Item]:
        for folder in entries(self.store.folder / "pictures"):
            found = [one for _, one in files_in(folder.path)]
            if found:
                newest = max(one.st_mtime for one in found)
                yield self._made_again(folder.name, sum(one.st_size for one in found), newest)

    def _copies(self) -> Iterator[Item]:
        for file, found in files_in(self.store.folder / "playable"):
            if name := _COPY.fullmatch(file.name):
                yield self._made_again(name[1], found.st_size, found.st_mtime)

    def _made_again(self, media_id: str, size_bytes: int, made: float) -> Item:
        row: Mapping[str, Any] = self.clips.get(media_id, {})
        return Item(
            media_id,
            row.get("name") or f"clip {media_id}, no longer in the library",
            size_bytes,
            _utc(made),
            sightings=row.get("sightings", 0),
            is_reviewed=row.get("is_reviewed", False),
            media_id=media_id if media_id in self.clips else None,
        )

    def _removed(self) -> Iterator[Item]:
        for folder, _, _ in os.walk(self.store.removed_folder):
            for file, found in files_in(folder):
                # Of the time at which it was moved there, which that of its content does not tell.
                yield Item(file.path, printable(file.name), found.st_size, _utc(found.st_ctime))

    def _leftovers(self) -> Iterator[Item]:
        for one in find_leftovers(self.store, load_config().models):
            name = f"{printable(one.path.name)} ({one.why})"
            with suppress(FileNotFoundError):
                made = one.path.stat().st_mtime
                yield Item(str(one.path), name, one.size_bytes, _utc(made))


class Uploads:
    """Which files lie in the uploads of a store, by their real place.

    A link is a file of its own: what it leads to is never looked at.
    """

    def __init__(self, store: Store) -> None:
        self._folder = os.path.realpath(store.uploads_folder) + os.sep
        self._name = f"{os.sep}{store.uploads_folder.name}{os.sep}"

    def stat(self, path: str) -> os.stat_result | None:
        """The facts of a file that lies there; None for any other."""
        if self._name not in path:
            return None
        try:
            place = os.path.realpath(os.path.dirname(path)) + os.sep
            return os.lstat(path) if place.startswith(self._folder) else None
        except (OSError, ValueError):
            return None


def waiting_paths(store: Store) -> set[str]:
    """Files that a batch of this store is still to analyse. Raises StoreError."""
    if not (store.folder / FILE_NAME).exists():
        return set()
    with JobQueue(store.folder) as queue:
        return {job.path for job in queue.jobs("state IN ('waiting', 'running')")}


def log_bytes(folder: str) -> int:
    """Bytes of the files of a log that go with it."""
    size_bytes = 0
    for one in entries(folder):
        if one.name == ADDED:
            size_bytes += bytes_below(one.path)
        elif one.name not in STAY and is_log_file(Path(one.name)):
            with suppress(FileNotFoundError):
                size_bytes += one.stat(follow_symlinks=False).st_size
    return size_bytes


def bytes_below(folder: str | Path) -> int:
    """Bytes of all files in a folder and below."""
    deeper = (one.path for one in entries(folder) if one.is_dir(follow_symlinks=False))
    return sum(found.st_size for _, found in files_in(folder)) + sum(map(bytes_below, deeper))


def files_in(folder: str | Path) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """The files in a folder, links included, with what they are; not those that just went."""
    for file in entries(folder):
        with suppress(FileNotFoundError):
            if not file.is_dir(follow_symlinks=False):
                yield file, file.stat(follow_symlinks=False)


def entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where there is none."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _utc(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC).replace(tzinfo=None)
