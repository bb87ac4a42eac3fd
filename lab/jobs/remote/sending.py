"""Telling the app what was found, while the analysis goes on: a thread that sends, and one that
says that the worker is there.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from lab.errors import LabError
from lab.jobs.remote.client import Client, DroppedError, UnreachableError, wait_of
from lab.jobs.remote.message import SentPart
from lab.score_log.writer import ScoreLogWriter

_LOOK_EVERY_S = 0.1
_MOST_WAITING = 64  # parts; beyond that the analysis waits for the network
_GIVE_BACK_S = 8.0
_LEAVE_S = 30.0


class Sending:
    """What is told of one claim, in order. A context manager that ends its threads.

    is_ending: whether this process is to end: what was not taken `patience_s` after that is not
    sent. on_stuck: called where nothing gets done, and the block does not end, for `leave_s` after
    the claim was dropped or this process was to end.
    dropped: why the app does not want any more of it, None while it does.
    """

    def __init__(
        self,
        client: Client,
        claim: str,
        beat_s: float,
        is_ending: Callable[[], bool],
        on_stuck: Callable[[], None],
        *,
        patience_s: float = _GIVE_BACK_S,
        leave_s: float = _LEAVE_S,
    ) -> None:
        self.dropped: str | None = None
        self._client, self._claim, self._beat_s = client, claim, beat_s
        self._is_ending, self._on_stuck = is_ending, on_stuck
        self._patience_s, self._leave_s = patience_s, leave_s
        self._until: float | None = None
        self._number = self._done = 0
        self._guard = threading.Lock()
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(_MOST_WAITING)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for name, run in (("beats", self._beat), ("sending", self._send))
        ]

    def __enter__(self) -> Sending:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()

    def count(self, done: int = 1) -> None:
        """So much was got done, of whatever kind: the app is told that it goes on."""
        with self._guard:
            self._done += done

    def opened(self, body: Mapping[str, Any]) -> None:
        self._put(lambda number: self._client.opened(self._claim, body))

    def part(self, part: SentPart) -> None:
        self._put(lambda number: self._client.part(self._claim, number, part))

    def outcome(self, body: Mapping[str, Any]) -> None:
        self._put(lambda number: self._client.outcome(self._claim, {**body, "number": number}))

    def back(self, reason: str, *, is_unfit: bool = False) -> None:
        self._put(lambda number: self._client.back(self._claim, number, reason, is_unfit=is_unfit))

    def finish(self) -> None:
        """Wait until all of it is there, or is not wanted; not long if this process is to end."""
        is_told = False
        while self._threads[1].is_alive() and not self._is_late():
            if is_told:
                self._threads[1].join(_LOOK_EVERY_S)
            else:
                is_told = self._has_taken(None)

    def _put(self, send: Callable[[int], None]) -> None:
        number = self._number
        self._number += 1
        while self.dropped is None and not self._is_late():
            if self._has_taken(lambda: send(number)):
                return

    def _has_taken(self, send: Callable[[], None] | None) -> bool:
        try:
            self._queue.put(send, timeout=_LOOK_EVERY_S)
        except queue.Full:
            return False
        return True

    def _is_late(self) -> bool:
        """Whether this process must end now. It stays so: nothing is sent after a gap."""
        if self._until is None and self._is_ending():
            self._until = time.monotonic() + self._patience_s
        return self._until is not None and time.monotonic() > self._until

    def _send(self) -> None:
        while (send := self._queue.get()) is not None:
            self._tried(send)
            if self._over.is_set():
                return

    def _tried(self, send: Callable[[], None]) -> None:
        """However often it takes: an app that was started again says that it wants no more."""
        tries = 0
        while self.dropped is None and not self._over.is_set():
            try:
                send()
                self.count()
                return
            except UnreachableError:
                self._over.wait(wait_of(tries))
                tries += 1
            except DroppedError as error:
                self.dropped = str(error)
            except LabError as error:
                self.dropped = f"the app did not take it: {error}"

    def _beat(self) -> None:
        since, done = 0.0, -1
        while not self._over.wait(self._beat_s):
            if self.dropped is None:
                self._say_that_it_goes_on()
            if self.dropped is None and not self._is_ending():
                done = -1
            elif done != self._done:  # it comes to a point where it looks whether to stop
                since, done = time.monotonic(), self._done
            elif time.monotonic() - since > self._leave_s:
                self._on_stuck()
                return

    def _say_that_it_goes_on(self) -> None:
        try:
            self._client.beat(self._claim, self._done)
        except UnreachableError:
            pass
        except LabError as error:
            self.dropped = str(error)


class SentLog(ScoreLogWriter):
    """A log of which nothing stays: each part is sent as soon as it is whole.

    folder: for the lock, and for what is packed.
    """

    def __init__(
        self, folder: Path, labels: list[str], index: int, send: Callable[[SentPart], None]
    ) -> None:
        super().__init__(folder, {"labels": labels}, is_durable=False)
        self._index, self._send = index, send

    def _write(self, name: str, samples: pa.Table, detections: pa.Table) -> None:
        super()._write(name, samples, detections)
        files = [self.folder / f"{kind}-{name}.parquet" for kind in ("samples", "detections")]
        self._send(SentPart(self._index, *(file.read_bytes() for file in files)))
        for file in files:
            file.unlink()
