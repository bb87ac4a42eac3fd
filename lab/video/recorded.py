"""When a file says that it was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lab.video.container import open_video

# The first that is there: with the offset of the place, then without.
_TAGS = ("com.apple.quicktime.creationdate", "creation_time", "date_time_original", "date")
_FORMS = ("%Y:%m:%d %H:%M:%S", "%a %b %d %H:%M:%S %Y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M")
_FIRST_YEAR = 1990  # a clock that was never set writes 1904 or 1970


@dataclass(frozen=True)
class RecordedAt:
    """time: with tzinfo where the file gives an offset from UTC or says UTC. tag: what gave it."""

    time: datetime
    tag: str


def recorded_at(path: str | Path) -> RecordedAt | None:
    """The start that a file's metadata give; None if they have none, or one that is no time.

    Raises SourceError if the file cannot be opened.
    """
    with open_video(path) as (container, stream):
        tags = {name.lower(): text for name, text in stream.metadata.items()}
        tags |= {name.lower(): text for name, text in container.metadata.items()}
    for tag in _TAGS:
        time = _parsed(tags.get(tag, ""))
        if time is not None and time.year >= _FIRST_YEAR:
            return RecordedAt(time, tag)
    return None


def _parsed(text: str) -> datetime | None:
    word = " ".join(text.split())
    if ":" not in word:  # a date alone says nothing of the start
        return None
    try:
        return datetime.fromisoformat(word)
    except ValueError:
        pass
    for form in _FORMS:
        try:
            return datetime.strptime(word, form)
        except ValueError:
            continue
    return None
