"""HLS playlists as a list of the segments that are written, and when they began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from lab.video.live.captures.file_times import unix_us

_MAX_BYTES = 16 << 20


@dataclass(frozen=True)
class ListedSegment:
    """start_us: Unix microseconds, None where the playlist says no time. duration_s: of EXTINF."""

    name: str
    start_us: int | None
    duration_s: float


def listed_segments(folder: Path, zone: tzinfo | None) -> Mapping[str, ListedSegment]:
    """The segments of all playlists of a folder, by name; those in other folders are left out."""
    found: dict[str, ListedSegment] = {}
    for path in sorted(folder.glob("*.m3u8")):
        try:
            if path.stat().st_size <= _MAX_BYTES:
                found |= _segments(path.read_text(encoding="utf-8", errors="replace"), zone)
        except OSError:
            continue  # it is written anew at this moment
    return found


def _segments(text: str, zone: tzinfo | None) -> dict[str, ListedSegment]:
    found: dict[str, ListedSegment] = {}
    start_us, duration_s = None, 0.0
    for line in text.splitlines():
        tag, _, value = line.strip().partition(":")
        if tag == "#EXTINF":
            duration_s = _number(value.partition(",")[0])
        elif tag == "#EXT-X-PROGRAM-DATE-TIME":
            start_us = _time_us(value, zone)
        elif tag == "#EXT-X-DISCONTINUITY":
            start_us = None
        elif line.strip() and not line.startswith("#"):
            place = PurePosixPath(unquote(urlsplit(line.strip()).path))
            if len(place.parts) == 1:
                found[place.name] = ListedSegment(place.name, start_us, duration_s)
            if start_us is not None:
                start_us += round(duration_s * 1e6)
    return found


def _time_us(text: str, zone: tzinfo | None) -> int | None:
    try:
        return unix_us(datetime.fromisoformat(text.strip()), zone)
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value < 86_400 else 0.0
