"""The video of imported detections, or facts in its place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import ForbiddenError, SettingError, SourceError, printable
from lab.video.media import Media
from lab.video.sources.file import FileSource

# Resolves a path; raises ForbiddenError for one that may not be opened.
Allowed = Callable[[Path], Path]


@dataclass(frozen=True, eq=False)
class FoundMedia:
    """A video that was found. pts_us: the times of its presented frames, in order."""

    media: Media
    pts_us: list[int]

    def times_us(self, frames: list[int]) -> list[int | None]:
        """Presentation times of frames by number. Raises SourceError for frames beyond the end."""
        if frames and frames[-1] >= len(self.pts_us) + 2:
            raise SourceError(
                f"frame {frames[-1]} was processed, but {self.media.name} has "
                f"{len(self.pts_us)} frames: it is another video"
            )
        # Counts of frames differ by one or two between decoders: those have no time here.
        return [self.pts_us[f] if f < len(self.pts_us) else None for f in frames]


def find_media(name: str, videos: str | Path | None, allowed: Allowed | None) -> FoundMedia | None:
    """The video of this name under a folder, or by its own path; None if there is none.

    allowed: refuses paths by a ForbiddenError; what lies there is as if it were not.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise SettingError(
            f"{printable(name)} is a name that is not UTF-8, which the store cannot keep; rename it"
        ) from None
    if videos is not None and not (Path(videos) / name).resolve().is_relative_to(
        Path(videos).resolve()
    ):
        raise SettingError(f"{name} lies outside {videos}; file names are relative to that folder")
    for path in (
        [Path(videos) / name, Path(videos) / Path(name).name]
        if videos is not None
        else [Path(name)]
    ):
        if allowed is not None:
            try:
                path = allowed(path)
            except ForbiddenError:
                continue
        if path.is_file():
            source = FileSource(path)
            return FoundMedia(source.media(), source.frame_times_us())
    return None


def made_media(
    name: str,
    duration_s: float,
    frame_rate: float,
    size_px: tuple[int, int] = (1000, 1000),
    *,
    place: str | None = None,
    path: str | None = None,
) -> Media:
    """Facts of a video that is not available.

    place: what its name is relative to. Without one it is known by its name alone, as in stores
    of earlier versions. path: where it would lie.
    """
    end_us = round(duration_s * 1e6)
    known_by = f"absent {name}"
    if place is not None:
        known_by += f"\n{place}\n{end_us} us, {frame_rate!r} fps"
    return Media(
        media_id=hashlib.blake2b(known_by.encode(), digest_size=8).hexdigest(),
        path=path or name,
        size_bytes=0,
        container="unknown",
        codec="unknown",
        width_px=size_px[0],
        height_px=size_px[1],
        rotation_deg=0,
        frames=None,
        frame_rate=frame_rate,
        is_variable_rate=False,
        first_pts_us=0,
        end_us=end_us,
        is_browser_playable=False,
        warning="the video is not available",
    )
