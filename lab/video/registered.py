"""The sources that are built in, and the registry that also finds those of plugins."""

from __future__ import annotations

import re
from pathlib import Path

from lab.errors import LabError, SourceError, closest
from lab.registry import Registry
from lab.video.source import Source

sources = Registry(
    "source",
    "lab.sources",
    {
        "file": "lab.video.sources.file:FileSource",
        "gs": "lab.video.sources.remote:RemoteSource",
        "s3": "lab.video.sources.remote:RemoteSource",
    },
)

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def open_source(place: str | Path | Source) -> Source:
    """A source by its place; one that is open already stays as it is.

    place: the path of a video file, or an address `kind://...`, which the source that is
    registered under that kind opens.

    Raises SourceError if there is no such file or kind, or it cannot be opened.
    """
    if isinstance(place, Source):
        return place
    if not isinstance(place, str | Path):
        raise SourceError(f"a source is a path, an address or a Source, got {place!r:.80}")
    address = _ADDRESS.match(str(place))
    kind = address[1].lower() if address else "file"
    if address and kind == "file":
        place = str(place)[address.end() :]
    if kind not in sources:
        raise SourceError(
            f"no source opens {kind}:// addresses; {closest(kind, sources.names())}; "
            "download the video and give its path"
        )
    try:
        return sources.make(kind, Source, place)  # type: ignore[type-abstract]
    except LabError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(str(error)) from error


def is_address(place: str | Path) -> bool:
    """Whether it is `kind://...` rather than the path of a file."""
    return isinstance(place, str) and _ADDRESS.match(place) is not None
