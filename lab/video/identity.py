"""Whether the file at a clip's path is still that clip."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from lab.errors import SourceError
from lab.video.media import identify
from lab.video.registered import is_address

ARRIVING = "arriving-"  # how the media_id begins of what is not here as a whole


@lru_cache(maxsize=4096)
def _identity(path: str, size_bytes: int, mtime_ns: int) -> str:
    return identify(path)


def is_absent(media: Mapping[str, Any]) -> bool:
    """Whether a media stands for a video that was never available, of imported detections."""
    return not media["size_bytes"] and media["container"] == "unknown"


def is_arriving(media: Mapping[str, Any]) -> bool:
    """Whether a media stands for an upload that has not come to its end."""
    return not media["size_bytes"] and str(media["media_id"]).startswith(ARRIVING)


def identity_problem(media: Mapping[str, Any], *, reads: bool = True) -> str | None:
    """Why the file at a media's path must not be shown or analysed as that media; None if it may.

    media: the row of a store, or `Media.to_dict()`. Size and time are compared first; where one
    differs, the identity is computed again. Media that are no files are left to their sources.
    reads: False for a list of many: then a file of the same size passes.
    """
    path, media_id = str(media["path"]), media["media_id"]
    if is_address(path):
        return None
    if is_absent(media):
        return (
            f"the video of {path} was not available when its detections were imported; "
            "import them again with the folder of the videos"
        )
    if is_arriving(media):
        return (
            f"the video {Path(path).name} has not arrived as a whole; it is here when its upload "
            "has ended, or was gone on with"
        )
    way_out = f"put it back, or say where it is: lab media relink {media_id} FILE"
    try:
        found = os.stat(path)
    except OSError:
        removed_utc = media.get("file_removed_utc")
        if removed_utc is not None:
            return (
                f"the copy of this video was removed from the store to make room on "
                f"{str(removed_utc)[:10]}; add the video again, or say where it is: "
                f"lab media relink {media_id} FILE"
            )
        return f"the video file is missing: {path}; {way_out}"
    if stat.S_ISDIR(found.st_mode):
        return None  # a recording, whose files nobody but its feed writes
    if (found.st_size, found.st_mtime_ns) == (media["size_bytes"], media.get("mtime_ns")):
        return None
    if not reads and found.st_size == media["size_bytes"]:
        return None
    try:
        now = _identity(path, found.st_size, found.st_mtime_ns)
    except (SourceError, OSError) as error:
        return f"the video file of clip {media_id} cannot be read: {error}"
    if now != media_id:
        return f"{path} is another video now, not clip {media_id}; {way_out}"
    return None


def check_identity(media: Mapping[str, Any]) -> None:
    """Raises SourceError if the file at a media's path is missing, or another one."""
    problem = identity_problem(media)
    if problem is not None:
        raise SourceError(problem)


def find_file(media: Mapping[str, Any], places: Iterable[str | Path]) -> Path:
    """The file that is this media, among files and in folders and below.

    Only files of the same size are read. Raises SourceError if there is none, or a file that was
    named is another video.
    """
    if is_absent(media):
        raise SourceError(str(identity_problem(media)))
    looked: list[str] = []
    for place in map(Path, places):
        looked.append(str(place))
        if place.is_dir():
            for file in _files_of_size(place, media["size_bytes"]):
                if _is(file, media["media_id"]):
                    return file.absolute()
        elif identify(place) != media["media_id"]:
            raise SourceError(
                f"{place} is another video ({identify(place)}), not clip {media['media_id']}; "
                "name the file that was analysed, or a folder to look in"
            )
        else:
            return place.absolute()
    raise SourceError(
        f"the file of clip {media['media_id']} ({Path(media['path']).name}) is not in "
        f"{', '.join(looked) or 'any folder that was named'}; name another folder"
    )


def find_files(
    media: Iterable[Mapping[str, Any]], folders: Iterable[str | Path]
) -> dict[str, Path]:
    """The files that are these media, by media_id, in folders and below; one walk for all.

    Only files of the size of one of them are read. Those that are not there are left out.
    """
    by_size: dict[int, set[str]] = {}
    for one in media:
        if not is_absent(one):
            by_size.setdefault(one["size_bytes"], set()).add(one["media_id"])
    found: dict[str, Path] = {}
    for folder in map(Path, folders):
        for file, size_bytes in _files_with_sizes(folder):
            if not by_size:
                return found
            wanted = by_size.get(size_bytes)
            if wanted is None:
                continue
            try:
                media_id = identify(file)
            except (SourceError, OSError):
                continue
            if media_id in wanted:
                found[media_id] = file.absolute()
                wanted.discard(media_id)
                if not wanted:
                    del by_size[size_bytes]
    return found


def _files_of_size(folder: Path, size_bytes: int) -> Iterable[Path]:
    return (file for file, size in _files_with_sizes(folder) if size == size_bytes)


def _files_with_sizes(folder: Path) -> Iterable[tuple[Path, int]]:
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            file = Path(parent, name)
            try:
                yield file, file.stat().st_size
            except OSError:
                continue


def _is(file: Path, media_id: str) -> bool:
    try:
        return identify(file) == media_id
    except (SourceError, OSError):
        return False
