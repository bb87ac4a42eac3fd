"""Reading the facts of a clip from its file."""

from __future__ import annotations

from pathlib import Path

from lab.video.media import Media
from lab.video.sources.file import FileSource


def probe(path: str | Path) -> Media:
    """Read a file's facts: one pass over its packets, one frame decoded. Raises SourceError."""
    return FileSource(path).media()
