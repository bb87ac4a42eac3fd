"""Clips by path: files as they are, folders searched for videos."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lab.errors import SettingError, SourceError, printable
from lab.video.container import VIDEO_SUFFIXES


class FoundClips(NamedTuple):
    """The clips, and a line about each file that is none, or cannot be read."""

    clips: list[Path]
    refused: list[str]


def find_clips(paths: Iterable[str | Path]) -> FoundClips:
    """Files as they are, folders as the videos in them and below.

    A file that is not there is among the clips: opening it says so. Raises SourceError for a
    folder without videos, SettingError for an empty path.
    """
    clips: list[Path] = []
    refused: list[str] = []
    for path, reason in find_each(paths):
        if reason is None:
            clips.append(path)
        else:
            refused.append(f"{printable(path)} {reason}")
    return FoundClips(clips, refused)


def find_each(paths: Iterable[str | Path]) -> Iterator[tuple[Path, str | None]]:
    """The same one by one: a path, and why it is no clip, None if it is one."""
    for name in paths:
        if not str(name).strip():
            raise SettingError("an empty path was given; name a file or a folder")
        path = Path(name)
        if not path.is_dir():
            yield path, _why_not(path)
            continue
        refused: list[tuple[Path, str | None]] = []
        found = sorted(_inside(path, refused))
        if not found and not refused:
            raise SourceError(
                f"no video in the folder {printable(path)}; looked for "
                f"{', '.join(sorted(VIDEO_SUFFIXES))}"
            )
        yield from refused
        yield from ((one, _why_not(one)) for one in found)


def _inside(folder: Path, refused: list[tuple[Path, str | None]]) -> Iterator[Path]:
    """Everything in a folder and below that is named like a video."""

    def cannot_list(error: OSError) -> None:
        refused.append((Path(error.filename), f"cannot be listed: {error.strerror}"))

    for place, folders, files in os.walk(folder, onerror=cannot_list):
        for name in (*folders, *files):
            if Path(name).suffix.lower() in VIDEO_SUFFIXES:
                yield Path(place, name)


def _why_not(path: Path) -> str | None:
    """Why a path is no clip, without opening it; None for a file, or if nothing is there."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8, which the store cannot keep; rename it"
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return "is a link that leads nowhere; remove it" if path.is_symlink() else None
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    if stat.S_ISDIR(kind):
        return "is a folder, though it is named like a video; rename it"
    if not stat.S_ISREG(kind):
        return "is not a file but a pipe, a socket or a device; copy the video into a file"
    if not os.access(path, os.R_OK):
        return "cannot be read: permission denied; make it readable"
    return None
