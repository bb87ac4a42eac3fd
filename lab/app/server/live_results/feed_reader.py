"""Reads a feed for those who follow it: samples when they are decided, events, and how it is."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from lab.app.server.feeds import UNWATCHED, feeds_of
from lab.app.server.live_results.messages import told_sample
from lab.app.server.live_results.run_reader import size_of
from lab.app.server.live_results.topic import RECENT, News
from lab.app.server.state import AppState
from lab.clock import utc_text
from lab.errors import LabError, NotFoundError, closest
from lab.feeds.commands import send
from lab.feeds.newest_samples import NAME as NEWEST
from lab.feeds.newest_samples import Sample, SamplesReader, sample_of
from lab.feeds.status import feeds_folder, last_status
from lab.runs.growing import GrowingRun

_PAUSE_S = 0.02
_STATUS_S = 0.25
_ASK_EVERY_S, _ASK_FOR_S = 4.0, 12.0
_LEFT_S = 10.0  # for how long the end of a run is waited for, once the feed has another
_MOST_HELD = 1000
_BEFORE_ALL_US = -(2**62)
Row = dict[str, Any]


class FeedReader:
    """See `lab.app.server.live_results.topic.Reader`. Raises NotFoundError for an unknown feed.

    A sample is told as soon as the process that watches has decided it, if the one before it was
    told; else when it is in the log. So each is told once and in order, however late it begins.
    """

    pause_s = _PAUSE_S

    def __init__(self, here: AppState, feed_id: str) -> None:
        self._here, self._feed_id = here, feed_id
        self._before: Row = (last_status(here.store.folder) or {}).get("feeds") or {}
        known = {**self._before, **feeds_of(here)}
        if feed_id not in known:
            hint = closest(feed_id, list(known))
            raise NotFoundError(f"no feed is called {feed_id!r:.80}; {hint}")
        self._newest: SamplesReader | None = None
        self._held: list[Sample] = []
        self._run: GrowingRun | None = None
        self._run_id: str | None = None
        self._last_us = _BEFORE_ALL_US
        self._left_at: float | None = None
        self._known_events: set[str] = set()
        self._told: Row = {}
        self._size_px: tuple[int, int] | None = None
        self._asked_at = self._looked_at = -1e9

    def open(self) -> News:
        status = {**self._before.get(self._feed_id, {}), **self._status()}
        self._before = {}
        self._size_px = size_of(status) or self._size_px
        self._begin(status.get("run_id") or status.get("last_run_id"), latest=RECENT)
        self._ask()
        events = list(status.get("events") or [])
        self._known_events = {event["event_id"] for event in events}
        self._told = _state_of(status)
        return News(self._of_log(), events[-RECENT:], self._told, self._run_id)

    def read(self) -> list[News]:
        now = time.monotonic()
        if now - self._asked_at >= _ASK_EVERY_S:
            self._ask()
        samples = self._of_newest()
        if now - self._looked_at < _STATUS_S:
            return [News(samples, run_id=self._run_id)] if samples else []
        self._looked_at = now
        status = self._status()  # before the log, which then has all of a run that is over
        samples += [*self._of_log(), *self._of_newest()]
        first = News(samples, run_id=self._run_id)
        return [one for one in (first, *self._news_of(status, now)) if _says_something(one)]

    def close(self) -> None:
        if self._newest is not None:
            self._newest.close()
        self._newest = None

    # Samples

    def _begin(self, run_id: str | None, latest: int | None = None) -> None:
        self.close()  # what it has of this run is read from its beginning
        self._run_id, self._run = run_id, None
        self._held, self._last_us, self._left_at = [], _BEFORE_ALL_US, None
        if run_id is not None:
            with suppress(NotFoundError):  # its log was removed
                self._run = GrowingRun(self._here.store, run_id, latest=latest)

    def _of_log(self) -> list[Sample]:
        if self._run is None:
            return []
        found = [sample_of(one.stamp, one.found) for one in self._run.updates()]
        found = [one for one in found if one["pts_us"] > self._last_us]
        self._last_us = max(self._last_us, self._run.last_us)
        return self._shown(found)

    def _of_newest(self) -> list[Sample]:
        """Those that the process that watches says, as far as none is missing before them."""
        if self._newest is None:
            with suppress(OSError):  # nothing was decided yet while somebody watched
                self._newest = SamplesReader(
                    feeds_folder(self._here.store.folder) / self._feed_id / NEWEST
                )
        if self._newest is None:
            return []
        self._held = [*self._held, *self._newest.read(self._run_id)][-_MOST_HELD:]
        found = []
        while self._held:
            after_us = self._held[0]["after_us"]
            if after_us is not None and after_us > self._last_us:
                break
            sample = self._held.pop(0)
            if sample["pts_us"] > self._last_us:
                self._last_us = sample["pts_us"]
                found.append(sample)
        return self._shown(found)

    def _shown(self, samples: list[Sample]) -> list[Sample]:
        return [told_sample(one, self._size_px, one["wall_time"] or None) for one in samples]

    # How it is

    def _ask(self) -> None:
        """Have samples told when they are decided."""
        self._asked_at = time.monotonic()
        asked = {"do": "view", "feed": self._feed_id, "for_s": _ASK_FOR_S, "height": None}
        with suppress(LabError, OSError):  # nobody watches: the state says so
            send(self._here.store.folder, asked, 0.0)

    def _status(self) -> Row:
        if self._here.live.get() is None:
            return {"state": UNWATCHED, "reason": None, "retry_at": None, "run_id": None}
        return self._here.live.feed(self._feed_id) or {"state": "removed"}

    def _news_of(self, status: Row, now: float) -> list[News]:
        """Of events and the state; the next run is begun where the last one is over."""
        self._size_px = size_of(status) or self._size_px
        events = status.get("events")
        new = [one for one in events or () if one["event_id"] not in self._known_events]
        if events is not None:
            self._known_events = {event["event_id"] for event in events}
        found = [News(events=new, run_id=self._run_id)]
        run_id = status.get("run_id")
        if run_id is not None and run_id != self._run_id:
            self._left_at = self._left_at or now
            is_over = self._run is None or self._run.is_over
            if not is_over and now - self._left_at < _LEFT_S:
                return found
            found.insert(0, News(self._of_log(), run_id=self._run_id))
            self._begin(run_id)
        if (state := _state_of(status)) != self._told:
            self._told = state
            found.append(News(state=state, run_id=self._run_id))
        return found


def _state_of(status: Row) -> Row:
    retry_at = status.get("retry_at")
    return {
        "state": status.get("state"),
        "reason": status.get("reason"),
        "retry_utc": None if retry_at is None else utc_text(float(retry_at)),
        "run_id": status.get("run_id"),
    }


def _says_something(news: News) -> bool:
    return bool(news.samples or news.events or news.state is not None)
