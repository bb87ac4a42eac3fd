"""The clips of a batch: files, folders and patterns. None of them is opened."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import SettingError, SourceError, printable
from lab.jobs.job_queue import Stamp
from lab.runs.find_clips import find_each
from lab.video.registered import is_address
from lab.video.remote_store import is_remote, list_clips


@dataclass
class BatchClips:
    """clips: absolute paths and addresses, each once, with the size and time of the file.
    refused: what is no clip or cannot be read, with the reason.
    """

    clips: dict[str, Stamp] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def find_batch(places: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> BatchClips:
    """Files as they are, folders with all below them, patterns as of a shell (`**` too), addresses;
    those of object stores (`s3://`, `gs://`) may be folders and patterns as well.

    Links to folders are not followed below the folders that are named. A file that is reached by
    two ways is there once. Raises SettingError if nothing, or an empty path, is named.
    """
    given = [places] if isinstance(places, str | os.PathLike) else list(places)
    if not given:
        raise SettingError("name a file or a folder, a pattern such as 'cards/**/*.mp4'")
    found = BatchClips()
    seen: dict[tuple[int, int], set[str]] = {}
    for place in given:
        if is_remote(place):
            try:
                found.clips.update(dict.fromkeys(list_clips(str(place)), Stamp()))
            except SourceError as error:  # it stops no other place
                found.refused[str(place)] = str(error)
            continue
        if is_address(str(place)):
            found.clips[str(place)] = Stamp()
            continue
        for path in _files(place, found):
            _take(path, found, seen)
    return found


def found_clips(clips: Iterable[Path], refused: Iterable[str]) -> BatchClips:
    """The same from what was found for a document; `refused` are whole lines."""
    found = BatchClips(refused={line: line for line in refused})
    seen: dict[tuple[int, int], set[str]] = {}
    for path in clips:
        _take(path, found, seen)
    return found


def _files(place: str | os.PathLike[str], found: BatchClips) -> Iterator[Path]:
    path = Path(place)
    matches = [path]
    if not _exists(path) and glob.has_magic(str(place)):
        matches = [Path(one) for one in sorted(glob.glob(str(place), recursive=True))]
        if not matches:
            found.refused[printable(place)] = "no file matches this pattern"
    for one in matches:
        try:
            for file, reason in find_each([one]):
                if reason is None:
                    yield file
                else:
                    found.refused[printable(os.path.abspath(file))] = reason
        except SourceError as error:  # a folder without videos stops no other place
            found.refused[printable(one)] = str(error)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _take(path: Path, found: BatchClips, seen: dict[tuple[int, int], set[str]]) -> None:
    """Keep a file, unless the same one was reached by another way."""
    absolute = os.path.abspath(path)
    try:
        status = os.stat(absolute)
    except (OSError, ValueError):  # it is not there: opening it says so
        found.clips.setdefault(absolute, Stamp())
        return
    names = seen.setdefault((status.st_dev, status.st_ino), set())
    if names and os.path.realpath(absolute) in {os.path.realpath(name) for name in names}:
        return
    names.add(absolute)
    found.clips[absolute] = Stamp(status.st_size, status.st_mtime_ns)
