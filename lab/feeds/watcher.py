"""Watches any number of feeds: the process that starts and stops them and tells how they are."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self

import pyarrow as pa

from lab.errors import LabError, SettingError
from lab.feeds import commands
from lab.feeds.control import Control
from lab.feeds.controls import Controls
from lab.feeds.feed import Feed
from lab.feeds.feed_history import FeedHistory
from lab.feeds.feed_runner import Host
from lab.feeds.feeds_file import FeedsFile
from lab.feeds.open_files import allow_open_files
from lab.feeds.publisher import Publisher
from lab.feeds.running_feeds import RunningFeeds
from lab.feeds.shared_detector import SharedModels
from lab.feeds.sinks_of_feeds import FeedSinks
from lab.feeds.status import feeds_folder, last_status, write_status
from lab.feeds.watch_lock import WatchLock
from lab.feeds.watcher_commands import WatcherCommands
from lab.runs.make_detector import make_detector
from lab.sinks.event import SightingEvent
from lab.store.store import Store

_TICK_S = 0.1
_STATUS_EVERY_S = 0.5
_STATUS_AT_MOST_S = 1.0
_STATUS_SHARE = 0.05  # of a core
_TIDY_EVERY_S = 60.0


class Files(Protocol):
    """Where the feeds are written down; see `lab.feeds.feed_files.FeedFiles`."""

    path: Path | None

    def read(self) -> FeedsFile: ...

    def have_changed(self) -> bool: ...

    def put(self, row: Mapping[str, Any]) -> None: ...

    def remove(self, feed_id: str) -> None: ...

    def put_sink(
        self, name: str, settings: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None: ...


class Watcher:
    """Runs feeds in threads of this process; at most one process does so for a store.

    feeds, sinks: as of `FeedsFile`. files: where commands that add or edit feeds write them, and
    what is read again when it changes. tell: is given every event once it is in the store.
    control: a clip with known answers that is played at its times into the feeds that have none of
    their own.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        sinks: Mapping[str, Mapping[str, Any]],
        store: Store,
        *,
        files: Files | None = None,
        tell: Callable[[SightingEvent], None] | None = None,
        control: Control | None = None,
    ) -> None:
        self._store, self._files, self._also_tell = store, files, tell
        folder = feeds_folder(store.folder)
        self._sinks = FeedSinks(folder / "outbox", sinks)
        self._models = SharedModels(
            lambda name, settings: make_detector(name, store=store, **settings)
        )
        self._history = FeedHistory()
        self._publisher = Publisher(store, self._sinks.put, self._note)
        host = Host(store, folder, self._models, self._publisher, lambda: len(self.feeds))
        self.feeds = RunningFeeds(feeds, host)
        self._controls = Controls(
            folder,
            self._models,
            self.feeds.watched,
            self._sinks.put,
            self._sinks.fate,
            control,
        )
        self._commands = WatcherCommands(self.feeds, self._sinks, files, self.reload)
        self._guard = threading.RLock()
        self._stopping = threading.Event()
        self._lock = WatchLock(store.folder)
        self._started = time.time()
        self._problem: str | None = None
        self._too_many: str | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True, name="watcher")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def is_asked_to_stop(self) -> bool:
        """Whether a command said so."""
        return self._commands.is_asked_to_stop.is_set()

    def start(self) -> None:
        """Raises StoreBusyError where another process watches this store, SettingError for sinks
        that cannot be made.
        """
        self._lock.take()
        try:
            self._history.remember(last_status(self._store.folder))
            commands.forget_old(self._store.folder)
            self._sinks.start()
        except BaseException:
            self._lock.release()
            raise
        self._publisher.__enter__()
        self._too_many = allow_open_files(len(self.feeds))
        # Arrow's own would keep some megabytes for each thread, of which every feed is one.
        pa.set_memory_pool(pa.system_memory_pool())
        with self._guard:
            self.feeds.start_all()
        self._thread.start()
        self._controls.start()

    def stop(self, *, timeout_s: float = 5.0) -> None:
        """Close what is open as cancelled, end all logs, and tell it.

        timeout_s: how long sinks may take for what waits; the rest is told after the next start.
        """
        if not self._lock.is_held:
            return
        self._stopping.set()
        self._controls.stop()
        if self._thread.ident is not None:
            self._thread.join()
        with self._guard:
            self.feeds.stop_all()
        self._publisher.__exit__(None, None, None)
        self._sinks.stop(timeout_s)
        with suppress(OSError):
            write_status(self._store.folder, self.status() | {"state": "stopped"})
        self._lock.release()

    def apply(self, feeds: Sequence[Feed], sinks: Mapping[str, Mapping[str, Any]]) -> None:
        """Watch these from now on: what is the same goes on, another rule alone is no restart.

        Raises SettingError for sinks that cannot be made; all stays as it was then.
        """
        with self._guard:
            self._sinks.apply(sinks)
            self._too_many = allow_open_files(len(feeds))
            self.feeds.apply(feeds)

    def handle(self, command: Mapping[str, Any]) -> None:
        """Do what `lab.feeds.commands` brings. Raises LabError with the reason why not."""
        with self._guard:
            self._commands.handle(command)

    def reload(self) -> None:
        """Read the files again. Raises SettingError for one that is wrong; what runs goes on."""
        if self._files is None:
            raise SettingError("these feeds are in no file that could be read again")
        with self._guard:  # else what another thread has read before is applied last
            found = self._files.read()
            self.apply(found.feeds, found.sinks)

    def status(self) -> dict[str, Any]:
        """As `status.json` has it; see docs/guide/feeds.md."""
        with self._guard:
            feeds = self.feeds.status(self._history, self._controls.status)
        path = None if self._files is None else self._files.path
        return {
            "pid": os.getpid(),
            "started": self._started,
            "written": time.time(),
            "state": "stopping" if self._stopping.is_set() else "running",
            "file": None if path is None else str(path.absolute()),
            "problem": self._publisher.problem
            or self._problem
            or self._sinks.problem
            or self._too_many,
            "feeds": feeds,
            "sinks": self._sinks.status(),
            "metrics": {
                "inference": self._models.durations(),
                "totals": self.feeds.totals(self._history),
            },
        }

    def _note(self, event: SightingEvent) -> None:
        self._history.note(event)
        if self._also_tell is not None:
            self._also_tell(event)

    def _serve(self) -> None:
        status_at = tidied_at = 0.0
        while not self._stopping.wait(_TICK_S):
            commands.serve(self._store.folder, self._handle_command)
            now = time.monotonic()
            if now >= status_at:
                self._look_at_files()
                spent_s = self._tell_status()
                pause_s = max(_STATUS_EVERY_S, spent_s / _STATUS_SHARE)
                status_at = now + min(pause_s, _STATUS_AT_MOST_S)
            if now - tidied_at >= _TIDY_EVERY_S:
                tidied_at = now
                self.feeds.tidy()

    def _tell_status(self) -> float:
        """The processor time that it took, in seconds."""
        begun = time.thread_time()
        status = self.status()
        self._sinks.watch(status["feeds"])
        with suppress(OSError):  # a full disk is told by the feeds
            write_status(self._store.folder, status)
        return time.thread_time() - begun

    def _handle_command(self, command: Mapping[str, Any]) -> None:
        try:
            self.handle(command)
        except LabError:
            raise
        except Exception as error:
            # A command must not end the process that watches.
            raise SettingError(f"the command failed: {type(error).__name__}: {error}") from error

    def _look_at_files(self) -> None:
        if self._files is None or not self._files.have_changed():
            return
        try:
            self.reload()
            self._problem = None
        except LabError as error:
            self._problem = f"the feeds file was changed and is not used: {error}"
