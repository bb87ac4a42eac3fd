"""The process that reads one connection: it decodes all, and gives the frames that are samples.

It reads a JSON line of settings from standard input, then `view` lines while somebody watches, a
`now` line where the next frame is wanted as a sample, and, where a capture can wait, `taken` with
the number of each sample that was taken; it ends when that closes. On standard output it writes a
JSON line for each step: `frame` for each sample, `damaged` for one without a picture, `seen` every
second with how many frames there were, `waiting` while nothing comes, `epoch` where the times begin
anew, `size` and `viewer` with those of the pictures and the file of the viewers' ones, and at last
`ended` with the reason.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.access.addresses import AddressRules
from lab.errors import LabError, SettingError
from lab.video.live.camera_clock import CameraClock
from lab.video.live.capture import Capture, Captured, Damaged, Left
from lab.video.live.captures.registered import captures
from lab.video.live.given_samples import SamplesGiven, Stamp
from lab.video.live.media_clock import Epoch, MediaClock, TrustedClock
from lab.video.live.pictures import Freshness, live_picture
from lab.video.live.reader_talk import Stopped, keep_output, listen, say, stopping, wanted_now
from lab.video.live.recorder import Recorder
from lab.video.live.recording_index import last_epoch
from lab.video.live.taken import Taken
from lab.video.live.viewing import Viewing
from lab.video.time_grid import TimeGrid

if TYPE_CHECKING:
    import av

_SEEN_EVERY_S = 1.0
_MICROSECOND = Fraction(1, 1_000_000)


class Reader:
    """Reads a capture to its end.

    settings: `every_s` of each analysis; `folder` for the slots; `recording`, the folder for its
    packets, if they are kept; `last_us` and `since_us` as of `MediaClock`; `seen_until_us` as of
    `Connection`; `first_index`, the number of the next frame; `epoch`, the last one. viewing: for
    those who watch. taken: what the other side took.
    """

    def __init__(
        self,
        capture: Capture,
        settings: Mapping[str, Any],
        viewing: Viewing | None = None,
        taken: Taken | None = None,
    ) -> None:
        self._capture = capture
        self._folder = Path(settings["folder"])
        last_us = settings.get("last_us")
        capture.is_again = last_us is not None
        self._grids = [TimeGrid(every_s, _MICROSECOND) for every_s in settings["every_s"]]
        self._pace = None if capture.fps is None else TimeGrid(1 / capture.fps, _MICROSECOND)
        if last_us is not None:
            for grid in filter(None, [*self._grids, self._pace]):
                grid.takes(0)  # they began with the first frame of all, and went on
                grid.takes(last_us)
        self._clock = self._clock_of(settings)
        self._camera_clock = CameraClock()
        self._index = settings.get("first_index", 0)
        self._begun = time.monotonic()
        self._samples = SamplesGiven(self._folder, taken if capture.can_wait else None)
        self._last_us: int | None = None
        self._last_at = self._begun  # when that frame came
        self._freshness = Freshness(self._begun)
        self._said_at = 0.0
        folder = settings.get("recording")
        self._recorder = (
            None
            if folder is None
            else Recorder(
                Path(folder), last_us=last_us, max_height=capture.max_height, fps=capture.fps
            )
        )
        self._viewing = viewing or Viewing(self._folder, f"viewer-{os.getpid()}")

    def _clock_of(self, settings: Mapping[str, Any]) -> MediaClock | TrustedClock:
        last_us, folder = settings.get("last_us"), settings.get("recording")
        if not self._capture.can_wait:
            since_us = settings.get("since_us") or 0
            return MediaClock(last_us, since_us, may_stand=not self._capture.is_played_here)
        epoch = None
        if settings.get("epoch") is not None:
            epoch = Epoch.from_dict(settings["epoch"])
        elif folder is not None and last_us is not None:
            epoch = last_epoch(Path(folder), last_us)
        clock = TrustedClock(last_us, epoch)
        if clock.last_ticks is not None:
            self._capture.resume(clock.last_ticks)
        elif self._capture.remembers and settings.get("seen_until_us") is not None:
            self._capture.resume(settings["seen_until_us"])
        return clock

    def run(self) -> None:
        """Raises LabError where the connection cannot be had, or breaks off."""
        with ExitStack() as stack:
            capture = stack.enter_context(self._capture)
            stack.callback(self._viewing.close)
            stack.callback(self._close_recorder)
            try:
                for captured in capture.read():
                    with stopping.put_off():
                        self._handle(captured)
            finally:
                self._said_at = 0.0
                self._say_what_was_seen()

    def _handle(self, captured: Captured) -> None:
        if captured.waiting is not None:
            say("waiting", reason=captured.waiting, is_down=captured.is_down)
        # Kept before it is given, so that nothing is analysed that was not kept.
        self._record(captured)
        if captured.is_drained:
            self._keep(Recorder.note_drained)
        for number, frame in enumerate(captured.frames):
            self._take(frame, captured, is_first=not number)
        if captured.damaged is not None:
            self._take_damaged(captured.damaged)
        self._say_what_was_seen()

    def _record(self, captured: Captured) -> None:
        stream = self._capture.stream
        if captured.packet is None or stream is None:
            return
        packet = captured.packet
        self._keep(lambda recorder: recorder.add(packet, stream))

    def _keep(self, write: Callable[[Recorder], object]) -> None:
        """A full disk, or a codec that cannot be kept, ends the recording, loudly, and no more."""
        import av

        if self._recorder is None:
            return
        try:
            write(self._recorder)
        except (OSError, ValueError, av.FFmpegError) as error:
            self._close_recorder()
            say("unrecorded", reason=getattr(error, "strerror", None) or str(error))

    def _close_recorder(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            with suppress(OSError, ValueError):
                recorder.close(self._last_us)

    def _take(self, frame: av.VideoFrame, captured: Captured, *, is_first: bool) -> None:
        if frame.pts is None or frame.is_corrupt:
            return
        time_base = frame.time_base or self._capture.time_base()
        placed = self._place(frame.pts, time_base, frame)
        if placed is None:
            return
        pts_us, wall_time, now = placed
        ticks, index = frame.pts, self._index
        camera_time = captured.camera_time if is_first else None
        if camera_time is not None and not self._camera_clock.see(pts_us, camera_time):
            camera_time = None
        self._keep(lambda recorder: recorder.note_frame(ticks, index, pts_us, camera_time))
        self._freshness.see(frame, now)
        if self._pace is None or self._pace.takes(pts_us):
            if self._viewing.offer(frame, pts_us, wall_time, captured.packet if is_first else None):
                say("viewer", path=str(self._viewing.path))
            chosen = [i for i, grid in enumerate(self._grids) if grid.takes(pts_us)]
            if wanted_now.is_set():
                wanted_now.clear()
                self._keep(lambda recorder: recorder.note_extra(pts_us))
                chosen = list(range(len(self._grids)))
            if chosen:
                stamp = Stamp(self._index, pts_us, wall_time, self._camera_clock.at(pts_us), chosen)
                self._give(frame, stamp)
        self._index += 1

    def _take_damaged(self, damaged: Damaged) -> None:
        placed = self._place(damaged.ticks, self._capture.time_base(), None)
        if placed is None:
            return
        pts_us, wall_time, _ = placed
        self._keep(lambda recorder: recorder.note_damaged(damaged.ticks, damaged.reason))
        if self._pace is None or self._pace.takes(pts_us):
            chosen = [i for i, grid in enumerate(self._grids) if grid.takes(pts_us)]
            if chosen:
                stamp = Stamp(self._index, pts_us, wall_time, self._camera_clock.at(pts_us), chosen)
                self._samples.give_damaged(stamp, damaged.reason)
        self._index += 1

    def _give(self, frame: av.VideoFrame, stamp: Stamp) -> None:
        image_bgr = live_picture(frame, self._capture.max_height, frame.rotation)
        try:
            self._samples.give(image_bgr, stamp)
        except Stopped:
            assert self._last_us is not None
            self._last_us -= 1  # it was not taken, and counts as not read
            raise

    def _place(
        self, ticks: int, time_base: Fraction, frame: av.VideoFrame | None
    ) -> tuple[int, float, float] | None:
        """Media time, wall time and time of arrival of the next picture; None if it is not new."""
        now, wall_time = time.monotonic(), time.time()
        if self._capture.can_wait:
            wall_time = float(ticks * time_base)
        arrival_us = int((now - self._begun) * 1e6)
        pts_us, begins = self._clock.place(ticks, time_base, arrival_us, wall_time, self._index)
        if begins:
            epoch, rotation_deg = self._clock.epoch, 0 if frame is None else frame.rotation
            assert epoch is not None
            self._keep(lambda recorder: recorder.begin_epoch(epoch, rotation_deg))
            self._camera_clock.begin()
            say("epoch", **epoch.to_dict())
        if self._last_us is not None and pts_us <= self._last_us:
            return None
        self._last_us, self._last_at = pts_us, now
        return pts_us, wall_time, now

    def _say_what_was_seen(self) -> None:
        now = time.monotonic()
        if now - self._said_at < _SEEN_EVERY_S:
            return
        self._said_at = now
        say(
            "seen",
            frames=self._index,
            last_us=self._last_us,
            ago_s=now - self._last_at,
            same_s=self._freshness.same_s(),
            loop_index=self._capture.loop_index,
            missed=self._capture.missed,
        )


def serve() -> int:
    """Read the settings, then the connection; the exit code."""
    keep_output()
    settings = json.loads(sys.stdin.readline())
    signal.signal(signal.SIGTERM, stopping.ask)
    viewing = Viewing(Path(settings["folder"]), f"viewer-{os.getpid()}")
    taken = Taken()
    threading.Thread(target=listen, args=[viewing, taken], daemon=True, name="input").start()
    ended: dict[str, Any]
    try:
        capture = captures.make(settings["kind"], Capture, **settings["capture"])  # type: ignore[type-abstract]
        capture.addresses = AddressRules.from_dict(settings["addresses"])
        import av  # noqa: F401 (what takes longest of starting: others wait until it is done)

        say("begun")
        Reader(capture, settings, viewing, taken).run()
        ended = {"reason": None, "is_finite": capture.is_finite}
    except Stopped:
        return 0
    except LabError as error:
        ended = {
            "reason": str(error),
            "is_final": isinstance(error, SettingError),
            "is_at_once": isinstance(error, Left),
        }
    except Exception as error:  # of a plugin, or ours: what it says may be secret
        ended = {"reason": f"the reader failed: {type(error).__name__}"}
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(OSError):  # nobody listens any more
        say("ended", **ended)
    return 0 if ended["reason"] is None else 1


if __name__ == "__main__":
    os._exit(serve())  # whatever its threads do
