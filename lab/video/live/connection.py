"""Keeps a live source connected: a reader process, watched, and replaced when it fails."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from lab.access.addresses import AddressRules
from lab.child_process import Message, WorkerProcess, lab_environment
from lab.video.live.arrivals import Arrivals, LiveFrame
from lab.video.live.backoff import Backoff
from lab.video.live.frame_slots import frames_folder
from lab.video.live.media_clock import Epoch
from lab.video.live.turns import Turn
from lab.video.source import Condition, LiveState

_POLL_S = 0.1
_CLOSE_S = 1.0
_START_S = 60.0  # of a process, on a machine with much else to do


@dataclass(frozen=True)
class _End:
    """Why a reader ended, None where it had no reason; whether there is no use in another one, or
    no need to wait before it.
    """

    reason: str | None
    is_final: bool = False
    is_at_once: bool = False
    is_frozen: bool = False


class Connection:
    """A thread that connects, watches and reconnects for ever; a context manager.

    kind, settings: of the capture. every_s: of each analysis. silent_s: how long it may give no
    frame until it counts as down. frozen_s: how long its picture may stay the same, bit for bit,
    0 for as long as it likes. is_finite: its end is no failure. recording: the folder for its
    packets. last_us: the media time at which an earlier session ended, age_s ago. can_wait: of its
    capture; each sample is then acknowledged with `took`. seen_until_us: Unix
    microseconds, by the pictures' own times, up to which earlier runs have all in their logs.

    capture; each sample is then acknowledged with `took`. addresses: where it may connect to.

    epochs: those of `MediaClock`, in order. frames: how many were decoded. reconnects: how often
    it was connected again. size: width and height of the pictures.
    unrecorded: why the packets are not kept any more. viewer: the file with the viewers' pictures
    (`lab.video.live.viewing.ViewReader`), None before somebody watches.
    """

    def __init__(
        self,
        kind: str,
        settings: Mapping[str, Any],
        every_s: Sequence[float],
        *,
        silent_s: float = 15.0,
        frozen_s: float = 15.0,
        is_finite: bool = False,
        recording: Path | None = None,
        last_us: int | None = None,
        age_s: float = 0.0,
        can_wait: bool = False,
        seen_until_us: int | None = None,
        backoff: Backoff | None = None,
        addresses: AddressRules | None = None,
    ) -> None:
        self._asked = {
            "kind": kind,
            "capture": dict(settings),
            "addresses": (addresses or AddressRules()).to_dict(),
            "every_s": list(every_s),
            "recording": None if recording is None else str(recording),
            "seen_until_us": seen_until_us,
        }
        self._silent_s, self._frozen_s, self._is_finite = silent_s, frozen_s, is_finite
        self._backoff = backoff or Backoff()
        self._folder = frames_folder()
        self._arrivals = Arrivals(lambda: self.has_ended)
        self._stopping = threading.Event()
        self._last_at = time.monotonic() - age_s
        self._healthy_since: float | None = None
        self._last_us = self._taken_us = last_us
        self.can_wait = can_wait
        self._reader: WorkerProcess | None = None
        self._view: tuple[int, float] | None = None  # how high, and until when
        self.viewer: Path | None = None
        self.condition = Condition("starting", time.time())
        self.epochs: list[Epoch] = []
        self.size: tuple[int, int] | None = None
        self.frames = 0
        self.unrecorded: str | None = None
        self.reconnects = self.loop_index = self.missed = 0
        self.reader_pid: int | None = None
        self._thread = threading.Thread(target=self._keep, daemon=True, name=f"live-{kind}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        if self._thread.ident:
            self._thread.join()
        self._arrivals.close()
        self._folder.cleanup()

    @property
    def has_ended(self) -> bool:
        return self.condition.state in ("stopped", "ended", "failed")

    def stop(self) -> None:
        """End the connection; may be called from any thread, any number of times."""
        self._stopping.set()
        self._arrivals.wake()

    def wait(self, timeout_s: float) -> bool:
        """Whether there is a sample to take, or none will come any more."""
        return self._arrivals.wait(timeout_s)

    def take(self, timeout_s: float) -> list[LiveFrame]:
        """The samples that arrived since the last call, oldest first; waits for the first one."""
        return self._arrivals.take(timeout_s)

    def picture(self, frame: LiveFrame) -> np.ndarray | None:
        """uint8, shape (height, width, 3), BGR; None where a newer one took its place."""
        return self._arrivals.picture(frame)

    def took(self, frame: LiveFrame) -> None:
        """Say that a sample was taken, and need not be given again."""
        self._taken_us = max(frame.pts_us, self._taken_us or 0)
        reader = self._reader
        if reader is not None and reader.pid == frame.reader:
            reader.send({"taken": frame.sequence})

    def view(self, height_px: int, for_s: float) -> None:
        """Have pictures made for viewers, for so long; may be called from any thread, and again."""
        self._view = height_px, time.monotonic() + for_s
        if (reader := self._reader) is not None:
            self._send_view(reader)

    def _send_view(self, reader: WorkerProcess) -> None:
        if self._view is not None:
            height_px, until = self._view
            for_s = max(0.0, until - time.monotonic())
            reader.send({"view": {"height": height_px, "for_s": for_s}})

    def take_now(self) -> None:
        """Have the next frame as a sample, whatever its time; may be called from any thread."""
        if (reader := self._reader) is not None:
            reader.send({"now": True})

    # In the thread

    def _keep(self) -> None:
        while not self._stopping.is_set():
            end = self._connect()
            if self._stopping.is_set():
                break
            if end.is_final:
                self._become("failed" if end.reason else "ended", end.reason)
                return
            now = time.monotonic()
            healthy_s = 0.0 if self._healthy_since is None else now - self._healthy_since
            self._healthy_since = None
            delay_s = 0.0 if end.is_at_once else self._backoff.failed(healthy_s)
            state: LiveState = "frozen" if end.is_frozen else "reconnecting"
            self._become(state, end.reason, time.time() + delay_s)
            self._stopping.wait(delay_s)
            self.reconnects += 1
        self._become("stopped", None)

    def _connect(self) -> _End:
        """One reader to its end, when it is its turn."""
        turn = Turn()
        try:
            if not turn.take(lambda: not self._stopping.is_set(), self._wait_for_turn):
                return _End(None)
            return self._read(turn)
        finally:
            turn.release()

    def _wait_for_turn(self) -> None:
        self._become(self.condition.state, "it waits for its turn: others are starting")

    def _read(self, turn: Turn) -> _End:
        passed_us = int((time.monotonic() - self._last_at) * 1e6)
        try:
            reader = WorkerProcess(_COMMAND, lab_environment() | _ONE_THREAD, is_apart=True)
        except OSError as error:
            return _End(f"the reader cannot be started: {error.strerror or error}")
        self.reader_pid = reader.pid
        last_us = self._taken_us if self.can_wait else self._last_us
        epochs = [one for one in self.epochs if last_us is not None and one.media_us <= last_us]
        try:
            reader.send(
                {
                    **self._asked,
                    "folder": self._folder.name,
                    "last_us": last_us,
                    "since_us": passed_us,
                    "first_index": self.frames,
                    "epoch": epochs[-1].to_dict() if epochs else None,
                }
            )
            self._reader = reader
            self._send_view(reader)
            return self._watch(reader, turn)
        finally:
            self._reader = self.viewer = None
            reader.end()
            self._hear_out(reader)

    def _hear_out(self, reader: WorkerProcess) -> None:
        """What it told before it ended: all that was kept of its samples is given."""
        with suppress(EOFError):
            while (message := reader.receive(_POLL_S)) is not None:
                self._handle(message, time.monotonic())

    def _watch(self, reader: WorkerProcess, turn: Turn) -> _End:
        heard_at = frame_at = time.monotonic()
        silent_s = max(_START_S, self._silent_s)  # it has yet to start
        frames = self.frames
        while not self._stopping.is_set():
            try:
                message = reader.receive(_POLL_S)
            except EOFError:
                return _End(_died(reader.wait()))
            now = time.monotonic()
            if message is not None:
                if message["kind"] == "ended":
                    return self._ending(message)
                if message["kind"] == "begun":
                    heard_at, silent_s = now, self._silent_s
                    turn.release()
                self._handle(message, now)
                if self.frames > frames:
                    heard_at, frame_at, frames = now, now, self.frames
                elif message["kind"] == "waiting":
                    heard_at = now
                    if message["is_down"] and now - frame_at > self._silent_s:
                        self._note_absence(message["reason"])
                if self._frozen_s and message.get("same_s", 0) >= self._frozen_s:
                    return _End(_same_for(message["same_s"]), is_frozen=True)
            if now - heard_at > silent_s:
                return _End(f"no frame for {silent_s:g} s")
        return _End(None)

    def _ending(self, message: Message) -> _End:
        reason = message["reason"]
        if reason is None and (self._is_finite or message.get("is_finite")):
            return _End(None, is_final=True)
        return _End(
            reason or "the stream ended",
            is_final=message.get("is_final", False),
            is_at_once=message.get("is_at_once", False),
        )

    def _handle(self, message: Message, now: float) -> None:
        if message["kind"] == "slots":
            reader = self.reader_pid or 0
            self._arrivals.use_slots(Path(message["path"]), message["capacity_bytes"], reader)
        elif message["kind"] == "epoch":
            kept = {k: v for k, v in message.items() if k != "kind"}
            self.epochs.append(Epoch.from_dict(kept))
        elif message["kind"] == "size":
            self.size = (message["width"], message["height"])
        elif message["kind"] == "viewer":
            self.viewer = Path(message["path"])
        elif message["kind"] == "unrecorded":
            self.unrecorded = message["reason"]
        elif message["kind"] == "waiting":
            if self.condition.state != "live":
                self._become(self.condition.state, message["reason"])
        elif message["kind"] == "seen":
            self.loop_index, self.missed = message["loop_index"], message["missed"]
            self.frames = max(self.frames, message["frames"])
            self._advance(message["last_us"], now - message["ago_s"])
        elif message["kind"] in ("frame", "damaged"):
            self.frames = max(self.frames, message["index"] + 1)
            self._advance(message["pts_us"], now)
            kept = {k: v for k, v in message.items() if k not in ("kind", "analyses")}
            analyses, reader = tuple(message["analyses"]), self.reader_pid or 0
            self._arrivals.add(LiveFrame(analyses=analyses, reader=reader, **kept))

    def _note_absence(self, reason: str) -> None:
        """Nothing is wrong with the reader, and nobody sends."""
        if self.condition.state == "live":
            self._become("reconnecting", reason)

    def _advance(self, pts_us: int | None, came_at: float) -> None:
        if pts_us is None or (self._last_us is not None and pts_us <= self._last_us):
            return
        self._last_us, self._last_at = pts_us, came_at
        if self.condition.state != "live":
            self._healthy_since = came_at
            self._become("live", None)

    def _become(self, state: LiveState, reason: str | None, retry_at: float | None = None) -> None:
        is_new = state != self.condition.state
        since = time.time() if is_new else self.condition.since
        self.condition = Condition(state, since, reason, retry_at)
        self._arrivals.wake()


def _died(code: int) -> str:
    """code: as of `subprocess.Popen`."""
    if code >= 0:
        return f"the reader ended with code {code}"
    return f"the reader was killed by signal {-code}"


def _same_for(seconds: float) -> str:
    return f"the picture has been the same for {seconds:.0f} s"


# It computes nothing with BLAS, whose threads take memory in each process.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_COMMAND = [sys.executable, "-m", "lab.video.live.reader"]
