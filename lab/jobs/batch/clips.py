"""The clips of a batch: files, folders and patterns. None of them is opened."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from lab.errors import SettingError, SourceError, printable
from lab.jobs.queue.queued_job import Stamp
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
        matches = [Path(one) for one in _matches(path, found)]
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


def _matches(pattern: Path, found: BatchClips) -> list[str]:
    """What a pattern names. `**` follows no links, so that a circle of them is no endless search,
    and says which folders it could not look into.
    """
    if "**" not in pattern.parts:
        return sorted(glob.glob(str(pattern)))
    at = pattern.parts.index("**")
    rest = pattern.parts[at + 1 :]
    roots = sorted(glob.glob(os.path.join(*pattern.parts[:at]))) if at else ["."]
    if set(rest) <= {"**"}:
        return roots
    return [one for root in roots for one in _below(root, rest, found)]


def _below(root: str, wanted: Sequence[str], found: BatchClips) -> Iterator[str]:
    """What lies below a folder, at any depth, and fits the rest of a pattern. As in a shell, names
    that begin with a dot are left out unless the pattern's last part does.
    """

    def cannot_list(error: OSError) -> None:
        reason = f"cannot be listed: {error.strerror}"
        found.refused[printable(os.path.abspath(error.filename))] = reason

    for place, folders, files in os.walk(root, onerror=cannot_list):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        parts = () if place == root else Path(os.path.relpath(place, root)).parts
        for name in sorted([*folders, *files]):
            is_shown = not name.startswith(".") or wanted[-1].startswith(".")
            if is_shown and _fits((*parts, name), ("**", *wanted)):
                yield os.path.join(place, name)


def _fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the parts of a path fit those of a pattern."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_fits(parts[i:], wanted[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


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
