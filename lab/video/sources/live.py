"""Frames of a live source, of which only the newest are analysed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lab.access.addresses import AddressError
from lab.errors import SettingError, SourceError
from lab.frame import Frame, FrameStamp
from lab.video.live.arrivals import LiveFrame
from lab.video.live.backoff import Backoff
from lab.video.live.connection import Connection
from lab.video.media import Media
from lab.video.sampling import Sampling
from lab.video.source import SKIPPED, Condition, LiveSource, Sample

_WAIT_S = 0.5


class ConnectedSource(LiveSource):
    """A live source that a process of its own reads; see `lab.video.live.connection.Connection`.

    kind, settings: of the capture. name: for people. media_id: of what is recorded. recording: the
    folder for its packets. last_us: the media time at which an earlier session of it ended. check:
    of the capture. limits: `silent_s`, `frozen_s`, `is_finite`, `can_wait` and `seen_until_us` of
    `Connection`.
    """

    def __init__(
        self,
        kind: str,
        settings: Mapping[str, Any],
        *,
        name: str,
        media_id: str = "",
        recording: Path | None = None,
        last_us: int | None = None,
        backoff: Backoff | None = None,
        check: Callable[[], None] = lambda: None,
        **limits: Any,
    ) -> None:
        self.name, self._check = name, check
        self._media_id = media_id
        self._kind, self._settings = kind, dict(settings)
        self._more = {"recording": recording, "backoff": backoff, **limits}
        self._last_us = last_us
        self._open = ExitStack()
        self.connection: Connection | None = None
        self.is_finite = bool(limits.get("is_finite"))

    @property
    def condition(self) -> Condition:
        if self.connection is None:
            return Condition("starting", time.time())
        return self.connection.condition

    def media(self) -> Media:
        """Of what is recorded: it has no size or end of its own. Nothing is waited for."""
        place = self._more["recording"]
        return Media(
            media_id=self._media_id,
            path=str(place or self.name),
            size_bytes=0,
            container=self._kind,
            codec="",
            width_px=0,
            height_px=0,
            rotation_deg=0,
            frames=None,
            frame_rate=None,
            is_variable_rate=True,
            first_pts_us=0,
            end_us=self._last_us or 0,
            is_browser_playable=False,
            warning=None,
        )

    def check(self) -> None:
        """See `lab.video.source.LiveSource`."""
        try:
            self._check()
        except SettingError as error:
            kind = AddressError if isinstance(error, AddressError) else SettingError
            raise kind(f"source: {error}") from None

    def begin(self, samplings: Sequence[Sampling]) -> None:
        """Connect for these analyses. Raises SettingError for windows of frames."""
        if self.connection is not None:
            return
        if not all(one.is_plain for one in samplings):
            raise SettingError(
                f"{self.name} is live: windows of frames (frame_count, frame_step) need a clip; "
                "record it first"
            )
        every_s = [one.every_s for one in samplings]
        connection = Connection(
            self._kind, self._settings, every_s, last_us=self._last_us, **self._more
        )
        self.connection = self._open.enter_context(connection)

    def wait(self, timeout_s: float) -> bool:
        """See `lab.video.source.LiveSource`; only after `begin`."""
        assert self.connection is not None
        return self.connection.wait(timeout_s)

    @property
    def size_px(self) -> tuple[int, int] | None:  # type: ignore[override]
        """Width and height of the pictures."""
        return None if self.connection is None else self.connection.size

    @property
    def received(self) -> int:  # type: ignore[override]
        """Frames that were decoded so far."""
        return 0 if self.connection is None else self.connection.frames

    @property
    def reconnects(self) -> int:  # type: ignore[override]
        """How often the connection was made again."""
        return 0 if self.connection is None else self.connection.reconnects

    @property
    def loop_index(self) -> int:  # type: ignore[override]
        """How often it began again."""
        return 0 if self.connection is None else self.connection.loop_index

    @property
    def missed(self) -> int:  # type: ignore[override]
        """Frames that the other side sent, and that did not come."""
        return 0 if self.connection is None else self.connection.missed

    @property
    def began(self) -> float | None:  # type: ignore[override]
        """Unix seconds at which media time 0 was received."""
        epochs = [] if self.connection is None else self.connection.epochs
        return epochs[0].wall_time - epochs[0].media_us / 1e6 if epochs else None

    @property
    def problem(self) -> str | None:  # type: ignore[override]
        """Why the packets are not kept any more."""
        why = None if self.connection is None else self.connection.unrecorded
        return None if why is None else f"the packets are not kept: {why}"

    @property
    def viewer(self) -> str | None:  # type: ignore[override]
        """The file with the viewers' pictures, None while nobody watches."""
        path = None if self.connection is None else self.connection.viewer
        return None if path is None else str(path)

    def view(self, height: int, for_s: float) -> None:
        """See `lab.video.source.LiveSource`."""
        if self.connection is not None:
            self.connection.view(height, for_s)

    def take_now(self) -> None:
        """See `lab.video.source.LiveSource`."""
        if self.connection is not None:
            self.connection.take_now()

    def samples(
        self, samplings: Sequence[Sampling], after_us: Sequence[int | None] | None = None
    ) -> Iterator[Sample]:
        """The newest sample each time; those that came before it meanwhile are given as `skipped`.
        Of a source that can wait, all of them.

        Ends when it was stopped, or when a finite source has ended. Raises SettingError for windows
        of frames, SourceError if the source can never be had.
        """
        self.begin(samplings)
        connection = self.connection
        assert connection is not None
        with self._open:
            while True:
                has_ended = connection.has_ended
                frames = connection.take(_WAIT_S)
                yield from self._samples(connection, frames, len(samplings))
                if has_ended and not frames:
                    break
                if not frames:
                    self.idle()
        if connection.condition.state == "failed":
            raise SourceError(connection.condition.reason or f"{self.name} failed")

    def _samples(
        self, connection: Connection, frames: list[LiveFrame], count: int
    ) -> Iterator[Sample]:
        for number, frame in enumerate(frames, start=1):
            if connection.can_wait and self._last_us is not None and frame.pts_us <= self._last_us:
                connection.took(frame)
                continue  # given again by a new reader
            self._last_us = frame.pts_us
            windows = tuple((frame.index,) if i in frame.analyses else None for i in range(count))
            is_wanted = number == len(frames) or connection.can_wait
            image = connection.picture(frame) if is_wanted and frame.error is None else None
            at = (frame.index, frame.pts_us, frame.wall_time)
            if image is None and frame.error is None:
                self.skipped += 1
                stamp = FrameStamp(*at, camera_time=frame.camera_time)
                yield Sample(stamp, windows, SKIPPED)
                continue
            if not self.is_finite:
                self.lag_s = max(0.0, time.time() - frame.wall_time)
            if connection.can_wait:
                connection.took(frame)
            yield Sample(
                Frame(image, *at, error=frame.error, camera_time=frame.camera_time), windows
            )

    def stop(self) -> None:
        if self.connection is not None:
            self.connection.stop()

    def close(self) -> None:
        self._open.close()
