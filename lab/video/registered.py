"""The sources that are built in, and the registry that also finds those of plugins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.errors import LabError, SettingError, SourceError, closest
from lab.registry import Registry
from lab.video.live.captures.registered import BUILT_IN
from lab.video.live.recording_index import INDEX
from lab.video.source import Source

sources = Registry(
    "source",
    "lab.sources",
    {
        **{kind: f"lab.video.sources.live_kinds:{kind}" for kind in BUILT_IN},
        "file": "lab.video.sources.file:FileSource",
        "recording": "lab.video.sources.recording:RecordingSource",
        "gs": "lab.video.sources.remote:RemoteSource",
        "s3": "lab.video.sources.remote:RemoteSource",
    },
)

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def open_source(place: str | Path | Source | Mapping[str, Any]) -> Source:
    """A source by its place; one that is open already stays as it is.

    place: the path of a video file, the folder of what was recorded of a feed, or an address
    `kind://...`, which the source that is registered under that kind opens; or the `type` of a
    source with its settings, as of a feed: what is live connects when its samples are asked for.

    Raises SourceError if there is no such file or kind, or it cannot be opened, SettingError for
    settings that are wrong.
    """
    if isinstance(place, Source):
        return place
    if isinstance(place, Mapping):
        settings = dict(place)
        kind = settings.pop("type", None)
        if not isinstance(kind, str):
            raise SettingError(f"type is missing; {closest('', sources.names())}")
        return sources.make(kind, Source, **settings)  # type: ignore[type-abstract]
    if not isinstance(place, str | Path):
        raise SourceError(f"a source is a path, an address or a Source, got {place!r:.80}")
    address = _ADDRESS.match(str(place))
    kind = address[1].lower() if address else "file"
    if address and kind == "file":
        place = str(place)[address.end() :]
    if kind == "file" and _is_recording(place):
        kind = "recording"
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


def _is_recording(place: str | Path) -> bool:
    """Whether it is a folder with what was recorded of a live source."""
    try:
        return (Path(place) / INDEX).is_file()
    except (OSError, ValueError):
        return False


def is_address(place: str | Path) -> bool:
    """Whether it is `kind://...` rather than the path of a file."""
    return isinstance(place, str) and _ADDRESS.match(place) is not None
