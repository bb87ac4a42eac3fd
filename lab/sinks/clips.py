"""A sink that cuts an MP4 around each sighting out of what the feed recorded."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.access.addresses import AddressRules
from lab.atomic_file import write_atomically
from lab.errors import LabError, SettingError, SourceError, printable
from lab.sinks.choices import folder_of, in_name, number_of, whole_of
from lab.sinks.event import SightingEvent
from lab.sinks.feed_sink import FeedSink, local_time, try_folder
from lab.sinks.picture import jpeg_of, recorded_peak, smaller
from lab.sinks.sink import DeliverLater, SinkRefused
from lab.video.live.cutting import cut, recorded_until

_LIVE_S = 20.0  # after which a recording that does not grow is not waited for
_AT_END_S = 3.0  # the same where the feed ended with the sighting
_POLL_S = 2.0
_ANY_WIDTH = 1 << 16
_QUALITY = 90
_H264 = ("avc1", "h264", "libx264", "x264", "mp4v")  # detstream wrote H.264 for each of these


class ClipsSink(FeedSink):
    """Writes `<dir>/<feed>/<local time>_<label>_<sighting id>.mp4` when a sighting is over.

    The packets that the feed kept are copied, from the keyframe at or before onset - pre_s, and
    are encoded again only where browsers would not play them, or where the following asks for it.
    Nothing of the recording is ever removed. Beside it lies the peak as a JPEG.

    pre_s, post_s: seconds before the onset and after the offset. width: of the picture at
    most. fps: pictures a second at most. codec: `h264` to have nothing else. jpg_quality: of the
    JPEG, from 1 to 100; as the feed made it unless given.

    Where the size or codec of the stream changed meanwhile, the clip has several files, of which
    the later ones end with `-2`, `-3`. Raises SettingError.
    """

    def __init__(
        self,
        *,
        dir: str | Path = "clips",
        pre_s: float = 5.0,
        post_s: float = 5.0,
        width: int | None = None,
        fps: float | None = None,
        codec: str | None = None,
        jpg_quality: int | None = None,
    ) -> None:
        self._pre_us = round(number_of(pre_s, "pre_s", 0, 3600) * 1e6)
        self._post_us = round(number_of(post_s, "post_s", 0, 3600) * 1e6)
        # detstream: 0 for as wide as it is.
        self._width = None if width is None else whole_of(width, "width", 0, 16_384) or None
        self._fps = None if fps is None else number_of(fps, "fps", 0.1, 1000)
        self._quality = (
            None if jpg_quality is None else whole_of(jpg_quality, "jpg_quality", 1, 100)
        )
        if codec is not None and str(codec).lower() not in _H264:
            raise SettingError(
                f"codec must be h264, or left out to keep what the camera sends, got {codec!r:.60}"
            )
        self._is_h264 = codec is not None
        self._folder = folder_of(dir, "dir")

    def wants(self, event: SightingEvent) -> bool:
        """See `lab.sinks.sink.Sink`."""
        return event.is_over or event.is_test

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """See `lab.sinks.sink.Sink`."""
        return ("plain_jpeg",) if event.is_over else ()

    def keep_to(self, addresses: AddressRules) -> None:
        """It connects to nothing."""

    def deliver(self, event: SightingEvent) -> None:
        """What is over is cut once its `post_s` are recorded."""
        if event.is_test and event.recording is None:
            try_folder(self._folder)
            return
        if not event.is_over:
            return
        path = self.path_of(event)
        if not path.exists():
            self._make(event, path)
        peak = path.with_suffix(".jpg")
        if not peak.exists():  # a process may have been killed between the two
            self._save_peak(event, peak)

    def path_of(self, event: SightingEvent) -> Path:
        """Where the clip of a sighting is."""
        when = local_time(event.onset_utc).strftime("%Y-%m-%d_%H-%M-%S")
        name = f"{when}_{in_name(event.label)}_{event.sighting_id}.mp4"
        return self._folder / in_name(event.feed) / name

    def _make(self, event: SightingEvent, path: Path) -> None:
        if event.recording is None:
            raise SinkRefused(
                f"feed {event.feed} keeps no packets, so there is no clip; set keep_hours above 0"
            )
        until_us = round(event.offset_s * 1e6) + self._post_us
        self._wait_for(Path(event.recording), until_us, event)
        self._cut(event, path, until_us)

    def _wait_for(self, recording: Path, until_us: int, event: SightingEvent) -> None:
        """Raises DeliverLater as long as what is missing may come."""
        try:
            recorded_us = recorded_until(recording)
        except SourceError as error:
            raise SinkRefused(f"there is no clip of {event.sighting_id}: {error}") from None
        if recorded_us is not None and recorded_us >= until_us:
            return
        still_s = _still_s(recording)
        has_ended = event.close_reason in ("end", "cancelled", "error")
        if still_s < (_AT_END_S if has_ended else _LIVE_S):
            missing_s = 0.0 if recorded_us is None else (until_us - recorded_us) / 1e6
            raise DeliverLater(
                min(max(missing_s, _POLL_S), 60.0), "the seconds after it are not recorded yet"
            )

    def _cut(self, event: SightingEvent, path: Path, until_us: int) -> None:
        from_us = max(0, round(event.onset_s * 1e6) - self._pre_us)
        settings: dict[str, Any] = {
            "width_px": self._width,
            "frame_rate": self._fps,
            "is_h264": self._is_h264,
        }
        try:
            cut(Path(event.recording or ""), from_us, until_us, path, **settings)
        except SourceError as error:
            raise SinkRefused(f"there is no clip of {event.sighting_id}: {error}") from None
        except OSError as error:
            raise LabError(f"{printable(path)} cannot be written: {_why(error)}") from None

    def _save_peak(self, event: SightingEvent, path: Path) -> None:
        data = event.plain_jpeg
        if data is None:
            image = recorded_peak(event)
            if image is None:
                return
            data = jpeg_of(image, self._quality or _QUALITY)
        if self._quality is not None or self._width is not None:
            data = smaller(data, self._width or _ANY_WIDTH, self._quality or _QUALITY) or data
        try:
            write_atomically(path, data)
        except OSError as error:
            raise LabError(f"{printable(path)} cannot be written: {_why(error)}") from None


def _still_s(recording: Path) -> float:
    """For how many seconds nothing has been written."""
    written = 0.0
    for file in recording.iterdir():
        with suppress(FileNotFoundError):
            written = max(written, file.stat().st_mtime)
    return time.time() - written


def _why(error: OSError) -> str:
    return error.strerror or str(error)
