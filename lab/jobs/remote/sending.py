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


class Sending:
    """What is told of one claim, in order. A context manager that ends its threads.

    dropped: why the app does not want any more of it, None while it does.
    """

    def __init__(self, client: Client, claim: str, beat_s: float) -> None:
        self.dropped: str | None = None
        self._client, self._claim, self._beat_s = client, claim, beat_s
        self._number = 0
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

    def opened(self, body: Mapping[str, Any]) -> None:
        self._put(lambda number: self._client.opened(self._claim, body))

    def part(self, part: SentPart) -> None:
        self._put(lambda number: self._client.part(self._claim, number, part))

    def outcome(self, body: Mapping[str, Any]) -> None:
        self._put(lambda number: self._client.outcome(self._claim, {**body, "number": number}))

    def back(self, reason: str, *, is_unfit: bool = False) -> None:
        self._put(lambda number: self._client.back(self._claim, number, reason, is_unfit=is_unfit))

    def finish(self, is_ending: Callable[[], bool], patience_s: float) -> None:
        """Wait until all of it is there, or is not wanted; not longer than `patience_s` once this
        process is to end.
        """
        self._queue.put(None)
        until: float | None = None
        while self._threads[1].is_alive():
            self._threads[1].join(_LOOK_EVERY_S)
            if until is None and is_ending():
                until = time.monotonic() + patience_s
            if until is not None and time.monotonic() > until:
                return

    def _put(self, send: Callable[[int], None]) -> None:
        number = self._number
        self._number += 1
        while self.dropped is None:
            try:
                self._queue.put(lambda: send(number), timeout=0.2)
                return
            except queue.Full:
                continue

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
                return
            except UnreachableError:
                self._over.wait(wait_of(tries))
                tries += 1
            except DroppedError as error:
                self.dropped = str(error)
            except LabError as error:
                self.dropped = f"the app did not take it: {error}"

    def _beat(self) -> None:
        while not self._over.wait(self._beat_s) and self.dropped is None:
            try:
                self._client.beat(self._claim)
            except UnreachableError:
                continue
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
