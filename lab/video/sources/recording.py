"""What was recorded of a live source, decoded again: the same frames at the same times."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from lab.atomic_file import write_atomically
from lab.errors import SourceError
from lab.video.live.recorded_frames import RecordedFrame, recorded_frames
from lab.video.live.recording_index import read_recording
from lab.video.media import Media
from lab.video.sampling import Sampling, Window, WindowSampler
from lab.video.source import SKIPPED, Sample, Source
from lab.video.time_grid import TimeGrid

_MEDIA = "media.json"
_MICROSECOND = Fraction(1, 1_000_000)


class RecordingSource(Source):
    """The packets of a live source, as they were kept: it gives the samples that were taken live.

    skipped_us: media times of samples that were not analysed then. Raises SourceError if the
    folder holds no recording.
    """

    changes_size = True

    def __init__(
        self, folder: str | Path, *, media: Media | None = None, skipped_us: Sequence[int] = ()
    ) -> None:
        self.folder = Path(folder)
        self.name = self.folder.name
        self._media, self._skipped = media, set(skipped_us)
        read_recording(self.folder)

    def media(self) -> Media:
        """As `keep_recorded_media` kept it. Raises SourceError where nothing is kept."""
        if self._media is not None:
            return self._media
        try:
            kept = json.loads((self.folder / _MEDIA).read_text(encoding="utf-8"))
            return replace(Media(**kept), path=str(self.folder.absolute()))
        except (OSError, ValueError, TypeError) as error:
            raise SourceError(f"{self.folder}: {_MEDIA} cannot be read: {error}") from None

    def reopen(self) -> RecordingSource:
        return RecordingSource(self.folder, media=self._media, skipped_us=tuple(self._skipped))

    def samples(
        self, samplings: Sequence[Sampling], after_us: Sequence[int | None] | None = None
    ) -> Iterator[Sample]:
        """See `lab.video.source.Source`."""
        after = after_us or [None] * len(samplings)
        turns = [_Turns(one) for one in samplings]
        for one in recorded_frames(self.folder):
            if not one.is_shown:
                continue
            windows = tuple(
                window if served is None or one.pts_us > served else None
                for window, served in zip([turn.take(one) for turn in turns], after, strict=True)
            )
            if not any(windows) and not any(turn.may_need(one) for turn in turns):
                continue
            if one.pts_us in self._skipped:
                yield Sample(one.stamp(), windows, SKIPPED)
            else:
                yield Sample(one.picture(), windows)


def keep_recorded_media(folder: Path, media: Media) -> None:
    """Write what is known of a recording beside it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _MEDIA, json.dumps(media.to_dict(), indent=1))


class _Turns:
    """Which frames are samples, the same as live: from the first frame of all, though that may have
    been removed. Windows of frames are for those who analyse it anew.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._windows = WindowSampler(sampling, _MICROSECOND)
        self._grid = TimeGrid(sampling.every_s, _MICROSECOND)
        self._has_begun = False

    def take(self, one: RecordedFrame) -> Window | None:
        if not self._sampling.is_plain:
            return self._windows.take(one.index, one.pts_us)
        if one.index and not self._has_begun:
            self._grid.takes(0)
        self._has_begun = True
        return (one.index,) if self._grid.takes(one.pts_us) or one.is_extra else None

    def may_need(self, one: RecordedFrame) -> bool:
        """Whether a later window may go back to this frame."""
        return not self._sampling.is_plain and one.index % self._sampling.frame_step == 0
