"""Watching feeds from Python: what happens to sightings, as it happens."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from lab.errors import SettingError
from lab.feeds.feed import Feed
from lab.feeds.feed_files import FeedFiles
from lab.feeds.feeds_file import feeds_in
from lab.feeds.watcher import Watcher
from lab.sinks.event import SightingEvent
from lab.store.store import Store

_POLL_S = 0.2
_MOST_WAITING = 10_000
_MOST_PICTURES = 100
_OVER = ("ended", "failed", "stopped")


class Watching:
    """Feeds that are watched while this is entered. Iterating gives each `SightingEvent` once.

    It ends when `stop` was called, when every feed is over, or after `timeout_s` without an event.
    Events wait until they are taken: the first 100 of them with their pictures, those that come
    then without, and of more than 10,000 the oldest are dropped.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        sinks: Mapping[str, Mapping[str, Any]],
        store: Store,
        *,
        files: FeedFiles | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self._events: queue.Queue[SightingEvent] = queue.Queue()
        self._watcher = Watcher(feeds, sinks, store, tell=self._tell, files=files)
        self._timeout_s = timeout_s
        self._is_stopped = threading.Event()

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._watcher.stop()

    def __iter__(self) -> Iterator[SightingEvent]:
        heard = time.monotonic()
        while not self._is_stopped.is_set():
            is_over = self._is_over()
            try:
                event = self._events.get(timeout=_POLL_S)
            except queue.Empty:
                is_late = self._timeout_s is not None and (
                    time.monotonic() - heard >= self._timeout_s
                )
                if is_over or is_late:
                    return
                continue
            yield event
            heard = time.monotonic()

    def stop(self) -> None:
        """End the iteration; also from another thread, or from within it."""
        self._is_stopped.set()

    def status(self) -> dict[str, Any]:
        """How feeds and sinks are; docs/guide/feeds.md lists the keys."""
        return self._watcher.status()

    def do(self, what: str, feed: str, **more: Any) -> None:
        """Have something done, such as `do("rule", "gate", rule=rule.to_dict())`.

        Raises SettingError for what is refused.
        """
        self._watcher.handle({"do": what, "feed": feed, **more})

    def _tell(self, event: SightingEvent) -> None:
        waiting = self._events.qsize()
        if waiting >= _MOST_WAITING:
            with suppress(queue.Empty):
                self._events.get_nowait()
        if waiting >= _MOST_PICTURES:
            event = event.with_pictures(())
        event.make_pictures()  # JPEGs take less memory while they wait
        self._events.put(event)

    def _is_over(self) -> bool:
        states = [feed["state"] for feed in self.status()["feeds"].values()]
        return all(state in _OVER for state in states)


def watch(
    file: str | Path | None = None,
    *,
    feeds: Sequence[Feed | Mapping[str, Any]] | None = None,
    sinks: Mapping[str, Mapping[str, Any]] | None = None,
    store: Store | str | Path | None = None,
    timeout_s: float | None = None,
) -> Watching:
    """Watch feeds in this process, until the context that this returns is left.

    file: a feeds file. feeds: instead of it, each a `Feed` or as a feeds file has it; they have no
        sink but those that they name. sinks: the settings of these, as in a feeds file.
    store: where runs and sightings are kept; by default that of the settings.
    timeout_s: the iteration ends after so many seconds without an event.

        with lab.watch("feeds.yaml") as watching:
            for event in watching:
                print(event.kind, event.label)

    Raises SettingError for what is wrong with them, LabError where another process watches this
    store.
    """
    kept = Store.coerce(store)
    if (file is None) == (feeds is None):
        raise SettingError("give a feeds file, or feeds, and not both")
    if file is not None:
        if sinks is not None:
            raise SettingError("sinks go with feeds; those of a file are in it")
        files = FeedFiles(kept, file)
        found = files.read()
        return Watching(found.feeds, found.sinks, kept, files=files, timeout_s=timeout_s)
    rows = [{"sinks": [], **one} for one in feeds or () if not isinstance(one, Feed)]
    made = [one for one in feeds or () if isinstance(one, Feed)]
    named: dict[str, Any] = {name: {} for one in made for name in one.sinks}
    document = {"feeds": rows, "sinks": {**named, **(sinks or {})}}
    read = feeds_in(document, Path.cwd(), os.environ, kept)
    by_row = iter(read.feeds)
    all_feeds = [one if isinstance(one, Feed) else next(by_row) for one in feeds or ()]
    return Watching(all_feeds, read.sinks, kept, timeout_s=timeout_s)
