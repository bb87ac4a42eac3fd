"""Pictures in a folder: a time-lapse, or what a camera goes on to put there."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

from lab.errors import SettingError, SourceError
from lab.video.live.capture import Capture, Captured, Damaged
from lab.video.live.captures.file_log import FileLog, FoundFile
from lab.video.live.captures.file_times import NamePattern, exif_time_us, zone_of
from lab.video.live.captures.pictures import TIME_BASE, PictureDecoder, is_whole
from lab.video.live.captures.watched_folder import POLL_S, WatchedFolder, take_announced
from lab.video.live.pictures import checked_height

SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_BYTES = 64 << 20
Times = Literal["exif", "name", "rate", "file"]
_STEP_US = 1_000
_SECOND_US = 1_000_000


class ImagesCapture(Capture):
    """JPEG and PNG files, each of which is a frame.

    path: a folder, or a pattern such as `lapse/**/*.jpg`. watch: go on with files that come later.
    loop: begin again after the last one, at the pace of `fps`. times: where their times come from:
    `exif` (DateTimeOriginal; the default), `name` (as `time_pattern` says), `rate` (`fps` pictures
    a second, from when the first file was written) or `file` (when it was written). timezone: of
    times that say none; this computer's unless given. settle_s: how long a file must stay as it is
    to count as written. expect_s: without a new file for so long it counts as down. state_folder:
    where it keeps which files it has read.

    A picture that cannot be decoded is a failed sample. Raises SettingError.
    """

    keeps_to_addresses = True

    can_wait = True

    def __init__(
        self,
        path: str,
        *,
        watch: bool = False,
        loop: bool = False,
        times: Times | None = None,
        time_pattern: str | None = None,
        fps: float | None = None,
        timezone: str | None = None,
        settle_s: float = 1.0,
        expect_s: float | None = None,
        max_height: int | None = None,
        state_folder: str | None = None,
    ) -> None:
        check_flags(watch=watch, loop=loop)
        check_seconds(settle_s=settle_s, expect_s=expect_s)
        if watch and loop:
            raise SettingError("watch and loop cannot both be set: what is watched does not end")
        if loop and fps is None:
            raise SettingError("loop needs fps: how many pictures a second are played")
        self.max_height = checked_height(max_height)
        self._zone = zone_of(timezone)
        self._times = _chosen(times, time_pattern, fps)
        self._pattern = None if time_pattern is None else NamePattern(time_pattern, self._zone)
        self._step_us = 0 if fps is None else round(_SECOND_US / _rate(fps))
        self._folder = WatchedFolder(path, SUFFIXES, settle_s)
        self._watches, self._loops, self._expect_s = watch, loop, expect_s
        self._state_folder = None if state_folder is None else Path(state_folder)
        self._resumed: int | None = None
        self._last: int | None = None
        self._decoder = PictureDecoder()
        self.is_finite = not watch and not loop
        self.remembers = watch and state_folder is not None

    def check(self) -> None:
        """See `lab.video.live.capture.Capture`: whether pictures have times."""
        try:
            first = next(iter(self._folder.files()), None)
            data = b"" if first is None else first.path.read_bytes()
        except (SourceError, OSError):
            return  # what is not there yet is waited for
        if first is not None and is_whole(data) and self._own_time(first, data) is None:
            raise SettingError(f"{first.name} {self._no_time()}")

    def resume(self, ticks: int) -> None:
        """See `lab.video.live.capture.Capture`."""
        self._resumed = ticks

    def read(self) -> Iterator[Captured]:
        """See `lab.video.live.capture.Capture`. Raises SettingError for pictures without times."""
        if self._watches:
            yield from self._watched()
            return
        begun_at, number = time.monotonic(), 0
        while True:
            files = self._folder.files()
            if not files:
                raise SourceError(f"{self._folder.folder} holds no {_suffixes()} pictures")
            for file in files:
                ticks, captured = self._picture(file)
                # What was analysed before is passed over: the files are all here, in order.
                if self._resumed is None or ticks > self._resumed:
                    yield captured
                    number += 1
                while self._loops and time.monotonic() < begun_at + number * self._step_us / 1e6:
                    yield Captured(waiting="the next picture is not due yet")
                    time.sleep(min(POLL_S, self._step_us / 1e6))
            if not self._loops:
                return
            self.loop_index += 1

    def time_base(self) -> Fraction:
        return TIME_BASE

    def close(self) -> None:
        self._decoder.close()

    def _watched(self) -> Iterator[Captured]:
        state = self._state_folder
        log = FileLog(None if state is None else state / "images.jsonl")
        if self._resumed is not None:
            log.resume(self._resumed)
        self._last = log.last_ticks
        announced: set[str] = set()
        came_at, has_cleared = time.monotonic(), False
        while True:
            files = self._folder.files()
            if not has_cleared:
                log.forget_all_but(files)
                has_cleared = True
            announced |= set() if state is None else take_announced(state)
            new = [file for file in files if not log.is_done(file)]
            for file in self._folder.are_written(new, announced):
                ticks, captured = self._picture(file)
                if log.is_kept or self._resumed is None or ticks > self._resumed:
                    yield captured
                log.finish(file, ticks)
                announced.discard(file.name)
                came_at = time.monotonic()
            yield nothing_new(came_at, self._expect_s, self._folder.folder)
            time.sleep(POLL_S)

    def _picture(self, file: FoundFile) -> tuple[int, Captured]:
        reason, data = None, b""
        try:
            if file.size_bytes > MAX_BYTES:
                raise SourceError(f"it has more than {MAX_BYTES >> 20} MiB")
            data = file.path.read_bytes()
        except (OSError, SourceError) as error:
            reason = f"{file.name} cannot be read: {getattr(error, 'strerror', None) or error}"
        own = self._own_time(file, data)
        if own is None and self._last is None:
            if is_whole(data):
                raise SettingError(f"{file.name} {self._no_time()}")
            own = file.mtime_ns // 1_000
        ticks = self._next(own)
        self._last = ticks
        if reason is None and own is None:
            reason = f"{file.name} {self._no_time()}"
        if reason is not None:
            return ticks, Captured(damaged=Damaged(ticks, reason))
        captured = self._decoder.captured(data, ticks, ticks / _SECOND_US)
        self.stream = self._decoder.stream
        if captured.damaged is not None:
            damaged = Damaged(ticks, f"{file.name}: {captured.damaged.reason}")
            return ticks, Captured(damaged=damaged)
        return ticks, captured

    def _own_time(self, file: FoundFile, data: bytes) -> int | None:
        if self._times == "rate" and self._last is not None:
            return self._last + self._step_us
        if self._times == "exif":
            return exif_time_us(data, self._zone)
        if self._times == "name":
            assert self._pattern is not None
            return self._pattern.time_us(Path(file.name).name)
        return file.mtime_ns // 1_000

    def _next(self, own: int | None) -> int:
        """A burst has many pictures in a second: those of the same time follow each other."""
        last = self._last
        if last is not None and (own is None or 0 <= last - own < _SECOND_US):
            return last + _STEP_US
        assert own is not None
        return own

    def _no_time(self) -> str:
        if self._times == "name":
            return "is not named as time_pattern says; correct it"
        return (
            "has no DateTimeOriginal in its EXIF data; "
            "say times: name (with time_pattern), rate (with fps) or file"
        )


def check_flags(**values: object) -> None:
    """Raises SettingError for what is not true or false."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise SettingError(f"{name} must be true or false, got {value!r:.40}")


def check_seconds(**values: object) -> None:
    """Raises SettingError for what is no number above 0; None passes."""
    for name, value in values.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and math.isfinite(value) and value > 0):  # type: ignore[arg-type, operator]
            raise SettingError(f"{name} must be a number of seconds above 0, got {value!r:.40}")


def nothing_new(came_at: float, expect_s: float | None, folder: Path) -> Captured:
    """Where the next file is waited for; it may be overdue."""
    if expect_s is None or time.monotonic() - came_at < expect_s:
        return Captured(waiting=f"for the next file in {folder}")
    return Captured(waiting=f"no new file for {expect_s:g} s in {folder}", is_down=True)


def _chosen(times: str | None, pattern: str | None, fps: float | None) -> Times:
    if times is None:
        times = "name" if pattern is not None else "rate" if fps is not None else "exif"
    if times not in get_args(Times):
        raise SettingError(f"times must be one of {', '.join(get_args(Times))}, got {times!r:.40}")
    for needed, given, kind in (("time_pattern", pattern, "name"), ("fps", fps, "rate")):
        if (given is not None) != (times == kind):
            said = "needs" if times == kind else "does not go with"
            raise SettingError(f"times: {times} {said} {needed}")
    return times  # type: ignore[return-value]


def _rate(fps: object) -> float:
    is_number = isinstance(fps, int | float) and not isinstance(fps, bool)
    if not is_number or not 0 < fps <= 1000:  # type: ignore[operator]
        raise SettingError(f"fps must be a number above 0, at most 1000, got {fps!r:.40}")
    return float(fps)  # type: ignore[arg-type]


def _suffixes() -> str:
    return " or ".join(SUFFIXES)
