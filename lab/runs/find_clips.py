"""Clips by path: files as they are, folders searched for videos."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lab.errors import SettingError, SourceError
from lab.video.container import VIDEO_SUFFIXES


def find_clips(paths: Iterable[str | Path]) -> list[Path]:
    """Files as they are, folders as the videos in them and below.

    Raises SourceError for a folder without videos, or a path that is not there.
    """
    clips: list[Path] = []
    for name in paths:
        if not str(name).strip():
            raise SettingError("an empty path was given; name a file or a folder")
        path = Path(name)
        if not path.is_dir():
            clips.append(path)
            continue
        inside = sorted(
            f for f in path.rglob("*") if f.suffix.lower() in VIDEO_SUFFIXES and f.is_file()
        )
        if not inside:
            raise SourceError(
                f"no video in the folder {path}; looked for {', '.join(sorted(VIDEO_SUFFIXES))}"
            )
        clips += inside
    return clips
