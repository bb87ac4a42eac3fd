"""One run of a feed, from its first sample to its end: what is logged is decided and told."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lab.atomic_file import write_atomically
from lab.errors import LabError
from lab.feeds.current_run import STATE, CurrentRun
from lab.feeds.events import EventMaker
from lab.feeds.feed import Feed
from lab.feeds.logged import session_at_end
from lab.feeds.logged_peaks import with_logged_peaks
from lab.feeds.publisher import Bundle, Publisher
from lab.feeds.session import FeedEvent, Session, sighting_id
from lab.rules.rule import Rule
from lab.runs.pipeline import LoggedSample
from lab.runs.run import Run
from lab.sighting import FinishReason, Sighting
from lab.sinks.event import SightingEvent
from lab.store.store import Store
from lab.video.media import Media
from lab.video.sources.recording import keep_recorded_media

_COMPACT_EVERY_S = 3600.0
_STATE_EVERY_S = 30.0
_GROWN_EVERY_US = 60_000_000
_TOLD = "told.json"


@dataclass
class Counts:
    """Of samples, since the feed's process began."""

    ok: int = 0
    failed: int = 0
    skipped: int = 0
    gated: int = 0


class FeedRun:
    """Takes the samples as they are logged, from one thread; `set_rule` may come from another.

    folder: of the feed. size_px: in whose pixels boxes are, (0, 0) before the first picture. began:
    Unix seconds of media time 0. number: gives the next of the feed's events. listen: is called
    with each sample, and must be quick. last: the last sample. present: what is there at it. lag_s:
    how old it was when it was decided.
    """

    def __init__(
        self,
        feed: Feed,
        store: Store,
        publisher: Publisher,
        *,
        run_id: str,
        media: Media,
        folder: Path,
        recording: Path | None,
        size_px: tuple[int, int],
        began: float,
        counts: Counts,
        labels: Sequence[str],
        number: Callable[[], int],
        listen: Callable[[LoggedSample], None] = lambda sample: None,
    ) -> None:
        self.feed, self.run_id, self.media = feed, run_id, media
        self.folder, self.recording = folder, recording
        self.size_px, self.began, self.counts = size_px, began, counts
        self.labels, self._number = tuple(labels), number
        self._store, self._publisher, self._listen = store, publisher, listen
        self._found: list[FeedEvent] = []
        self._told = _Told(folder / _TOLD)
        self._compacted_at = self._saved_at = time.monotonic()
        self._next_rule: tuple[Rule, str | None] | None = None
        self.last: LoggedSample | None = None
        self.present: dict[str, Sighting] = {}
        self.lag_s = 0.0
        self._grown_us = 0
        self._begin_session(feed.rule, feed.rule_name)
        self._keep_current()

    def set_size(self, size_px: tuple[int, int]) -> None:
        """Of the first picture, where the samples before it had none. Raises OSError."""
        self.size_px = self._maker.size_px = size_px
        self.media = replace(self.media, width_px=size_px[0], height_px=size_px[1])
        with suppress(LabError):  # it is busy; it gets this when the run ends
            self._store.add_media(self.media)
        if self.recording is not None:
            keep_recorded_media(self.recording, self.media)
        self._keep_current()

    def _begin_session(self, rule: Rule, rule_name: str | None) -> None:
        now = self.began if self.last is None else self.last.stamp.wall_time
        self.session = Session(
            self.run_id, rule, self.feed.every_s, self._found.append, wall_time=now
        )
        self._maker = EventMaker(
            self.feed,
            self.run_id,
            self.media.media_id,
            rule,
            rule_name,
            self.recording,
            self.began,
            self.size_px,
            self._number,
        )

    @property
    def rule(self) -> Rule:
        return self.session.rule

    def take(self, sample: LoggedSample) -> None:
        """Raises OSError if the log, or an event's number, cannot be kept before it is told."""
        if self._next_rule is not None:
            (rule, rule_name), self._next_rule = self._next_rule, None
            self._change_rule(sample, rule, rule_name)
        else:
            self.session.take(sample.stamp, sample.found, sample.image_bgr, self.size_px)
        self.last = sample
        self._count(sample)
        now = time.monotonic()
        if self._found or now - self._saved_at >= _STATE_EVERY_S:
            sample.log.flush()
            self._publish()
        if now - self._compacted_at >= _COMPACT_EVERY_S:
            self._compacted_at = now
            sample.log.flush()
            sample.log.compact()
        self.present = self.session.present
        self.lag_s = max(0.0, time.time() - sample.stamp.wall_time)
        self._listen(sample)

    def _count(self, sample: LoggedSample) -> None:
        found, stamp = sample.found, sample.stamp
        if stamp.error is not None or found.error is not None:
            self.counts.failed += 1
        elif found.gated is None:
            self.counts.ok += 1
        elif sample.image_bgr is None:
            self.counts.skipped += 1
        else:
            self.counts.gated += 1

    def finish(self, reason: FinishReason, then: Callable[[], None]) -> None:
        """No more samples; the log is whole. then: called when what is open was closed."""
        self.session.finish(reason)
        self.present = {}
        self._publish(then=then)

    def set_rule(self, rule: Rule, rule_name: str | None) -> None:
        """Decide by another rule from the next sample on, as if it had been there always.

        What is open then closes under the old rule. What the new one sees in all that was logged
        is kept and not told, but for what is there at that time. Raises SettingError for a rule
        that the log cannot answer.
        """
        Run(self._store, self.run_id).find(rule)
        self._next_rule = (rule, rule_name)

    def _change_rule(self, sample: LoggedSample, rule: Rule, rule_name: str | None) -> None:
        """The sample is in the log already."""
        sample.log.flush()
        self.session.finish("cancelled")
        self._publish()
        self.feed = replace(self.feed, rule=rule, rule_name=rule_name)
        self._begin_session(rule, rule_name)
        self._keep_current()
        log = self._store.log_folder(self.run_id)
        session_at_end(self.session, log, self.began, self.feed.every_s, self.size_px)
        self._found.clear()
        past = Run(self._store, self.run_id).find(rule)
        over = [(self._id_of(one), one) for one in past if one.close_reason in ("exit", "gap")]
        for sighting in self.session.present.values():
            known = self._id_of(sighting)
            self._found.append(FeedEvent("opened", known, sighting, sample.stamp.wall_time))
        self._publish(more=over)

    def _id_of(self, sighting: Sighting) -> str:
        return sighting_id(self.run_id, self.rule, sighting)

    def _publish(
        self,
        *,
        more: list[tuple[str, Sighting]] | None = None,
        then: Callable[[], None] | None = None,
    ) -> None:
        logs = self._store.log_folder(self.run_id)
        found = with_logged_peaks(self._found, logs, self.rule, self.size_px)
        self._found.clear()
        events = [self._maker.make(event) for event in found]
        latest = {event.sighting_id: event.sighting for event in found}
        self._saved_at = time.monotonic()
        self._publisher.put(
            Bundle(
                run_id=self.run_id,
                rule=self.rule,
                rule_name=self.feed.rule_name,
                sightings=[*(more or []), *latest.items()],
                events=events,
                sinks=self.feed.sinks,
                silent=self._told.again(events, self.feed),
                grown=self._grown(is_over=then is not None),
                state_file=self.folder / STATE,
                state={
                    "run_id": self.run_id,
                    "rule_hash": self.rule.rule_hash,
                    "tracker": self.session.state(),
                },
                then=then,
            )
        )

    def _grown(self, is_over: bool) -> tuple[str, int] | None:
        """The recording with its length, now and then: the catalog is written for it."""
        pts_us = 0 if self.last is None else self.last.stamp.pts_us
        if pts_us - self._grown_us < _GROWN_EVERY_US and not is_over:
            return None
        self._grown_us = pts_us
        return self.media.media_id, pts_us

    def _keep_current(self) -> None:
        CurrentRun(
            run_id=self.run_id,
            media_id=self.media.media_id,
            recording=None if self.recording is None else str(self.recording),
            rule=self.rule.to_dict(),
            rule_name=self.feed.rule_name,
            every_s=self.feed.every_s,
            began=self.began,
            width_px=self.size_px[0],
            height_px=self.size_px[1],
            sinks=list(self.feed.sinks),
        ).keep(self.folder)


class _Told:
    """When each label was last told of, over restarts: a crash must not tell all of it again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._last: dict[str, float] = {}
        self._runs: dict[str, str] = {}
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            self._last = {str(label): float(one[0]) for label, one in kept.items()}
            self._runs = {str(label): str(one[1]) for label, one in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError, IndexError, KeyError):
            pass

    def again(self, events: list[SightingEvent], feed: Feed) -> frozenset[str]:
        """Alerts that a run before this one gave, within the cooldown of their label."""
        silent = []
        for event in events:
            if event.kind != "alerted":
                continue
            cooldown_s = feed.rule.of(event.label).debounce.cooldown_s
            is_other_run = self._runs.get(event.label) != event.run_id
            since_s = time.time() - self._last.get(event.label, 0.0)
            if is_other_run and 0 <= since_s < cooldown_s:
                silent.append(event.event_id)
                continue
            self._last[event.label], self._runs[event.label] = time.time(), event.run_id
            kept = {label: [at, self._runs[label]] for label, at in self._last.items()}
            try:
                write_atomically(self._file, json.dumps(kept))
            except OSError:  # a full disk is told elsewhere
                continue
        return frozenset(silent)


def new_media_id(feed_id: str, began: float) -> str:
    """16 hex digits, as of a file."""
    return hashlib.blake2b(f"{feed_id} {began:.6f}".encode(), digest_size=8).hexdigest()


def recording_name(feed_id: str, began: float) -> str:
    return f"{feed_id}-{datetime.fromtimestamp(began, UTC):%Y%m%d-%H%M%S}"


__all__ = ["Counts", "FeedRun", "new_media_id", "recording_name"]
