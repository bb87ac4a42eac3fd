"""What was recorded of feeds, within what each of them keeps."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.video.live.recording_index import INDEX
from lab.video.live.tail import SUFFIX

_SUFFIXES = (".mp4", ".nut")
_YOUNG_S = 600.0


@dataclass(frozen=True)
class _Segment:
    """A file of packets. size_bytes: with that of the last packet, which may lie beside it."""

    file: Path
    changed: float
    size_bytes: int

    @classmethod
    def of(cls, file: Path) -> _Segment:
        """Raises OSError for one that is gone."""
        about = file.stat()
        size_bytes = about.st_size
        with suppress(OSError):
            size_bytes += file.with_suffix(SUFFIX).stat().st_size
        return cls(file, about.st_mtime, size_bytes)

    def remove(self) -> None:
        """Raises OSError."""
        self.file.with_suffix(SUFFIX).unlink(missing_ok=True)
        self.file.unlink()


class RecordingAges:
    """How long ago segments were written, whatever happens to this computer's clock meanwhile.

    Of one that was there before this process looked only the clock can tell that.
    """

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[float, float]] = {}  # when it was changed, by both clocks

    def of(self, file: Path, changed: float) -> float:
        """Seconds since it was changed. changed: that time, by its file system, in Unix seconds."""
        now = time.monotonic()
        known = self._seen.get(file)
        if known is None or known[0] != changed:
            age_s = max(0.0, time.time() - changed) if known is None else 0.0
            known = self._seen[file] = changed, now - age_s
        return now - known[1]

    def forget(self, file: Path) -> None:
        self._seen.pop(file, None)


def remove_old_packets(
    folder: Path,
    keep_s: float,
    keep_bytes: int,
    in_use: Path | None = None,
    ages: RecordingAges | None = None,
) -> int:
    """Remove segments that are too old, and the oldest beyond so many bytes; how many there were.

    folder: of a feed. in_use: the recording that is being written, of which the newest segment
    stays however long ago its last packet came. The newest of another one stays as long as its
    reader may still be closing it. A recording without packets stays as an empty one, for its run
    is in the store. ages: what is known from earlier calls, and for later ones.
    """
    ages = ages or RecordingAges()
    segments: list[tuple[float, _Segment]] = []
    for recording in (folder / "recording").glob("*/"):
        found = [(ages.of(one.file, one.changed), one) for one in _segments(recording)]
        if found and (recording == in_use or found[-1][0] < _YOUNG_S):
            found.pop()
        segments += found
    segments.sort(key=lambda one: one[0])
    total, removed = 0, 0
    for age_s, one in segments:
        total += one.size_bytes
        if age_s > keep_s or total > keep_bytes:
            with suppress(OSError):
                one.remove()
                ages.forget(one.file)
                removed += 1
    return removed


def forget_empty(folder: Path) -> None:
    """Remove recordings that never had a packet."""
    for recording in (folder / "recording").glob("*/"):
        index = recording / INDEX
        with suppress(OSError):
            if not _segments(recording) and index.stat().st_size < 200:
                shutil.rmtree(recording)


def _segments(recording: Path) -> list[_Segment]:
    """In the order in which they were written."""
    found = []
    for file in sorted(one for one in recording.iterdir() if one.suffix in _SUFFIXES):
        with suppress(OSError):
            found.append(_Segment.of(file))
    return found
