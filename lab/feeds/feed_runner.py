"""Keeps one feed running: connects, analyses, and begins again after whatever went wrong."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

from lab.detectors.detector import Detector
from lab.errors import LabError, LogWriteError, SettingError, SourceError
from lab.feeds.current_run import SOURCE, forget_run, keep_seen, left_run, seen_until_us
from lab.feeds.drift_of_runs import reference_of_rule
from lab.feeds.event_numbers import EventNumbers
from lab.feeds.feed import Feed
from lab.feeds.feed_drift import FeedDrift
from lab.feeds.feed_register import FeedRegister
from lab.feeds.feed_run import Counts, FeedRun, new_media_id, recording_name
from lab.feeds.last_picture import LastPicture
from lab.feeds.left_runs import tell_left_run
from lab.feeds.newest_samples import NAME as NEWEST
from lab.feeds.newest_samples import NewestSamples
from lab.feeds.publisher import Publisher
from lab.feeds.shared_detector import SharedModels
from lab.feeds.shown_source import shown_source
from lab.registry import in_words
from lab.rules.rule import Rule
from lab.runs.execute import Outcome, PlannedRun, execute
from lab.runs.pipeline import FLUSH_EVERY_S, LoggedSample
from lab.score_log.recipe import make_recipe, protocol_hash
from lab.sighting import FinishReason
from lab.store.store import Store, new_run_id
from lab.video.live.make import live_source
from lab.video.media import Media
from lab.video.sampling import Sampling
from lab.video.source import Condition, LiveSource
from lab.video.sources.recording import keep_recorded_media

DELAYS_S = (5.0, 15.0, 30.0, 60.0)
_HEALTHY_S = 60.0
_WAIT_S = 0.5
_DISK_EVERY_S = 15.0
_DISK_BYTES = 4 << 20
_FEW = 40  # feeds, whose files take no more than a share of a core to write
_ENDED = ("stopped", "ended", "failed")


@dataclass(frozen=True)
class Host:
    """What the feeds of a process share.

    folder: of all feeds. registering: held while a run is begun or ended in the catalog, which
    takes one at a time: of hundreds that begin together some would wait for longer than it lets.
    count: how many feeds there are.
    """

    store: Store
    folder: Path
    models: SharedModels
    publisher: Publisher
    count: Callable[[], int] = lambda: 1
    registering: threading.Lock = field(default_factory=threading.Lock)

    def pause_s(self, of_one: float) -> float:
        """How long each feed leaves a file as it is: as long as one of a few, or longer of many."""
        return of_one * max(1.0, self.count() / _FEW)


class FeedRunner:
    """A thread for a feed.

    run: the run under way, None while there is none; last_run_id: of it, or of the one before.
    source: what it reads. condition: how it is. problem: what is wrong although it goes on.
    counts: of samples. recording: the folder that is being written, None while there is none.
    """

    def __init__(self, feed: Feed, host: Host) -> None:
        self.feed = feed
        self.folder = host.folder / feed.feed_id
        self.counts = Counts()
        self.run: FeedRun | None = None
        self.last_run_id: str | None = None
        self.source: LiveSource | None = None
        self.detector: Detector | None = None
        self.problem: str | None = None
        self.recording: Path | None = None
        self._picture = LastPicture(self.folder)
        self.last_frame_at: float | None = None
        self.drift = FeedDrift(self.folder)
        self._numbers = EventNumbers(self.folder / "sequence.json")
        self._newest = NewestSamples(self.folder / NEWEST)
        self._host = host
        self._condition: Condition | None = Condition("starting", time.time())
        self._stopping = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._keep, daemon=True, name=feed.feed_id)

    @property
    def condition(self) -> Condition:
        source = self.source
        return self._condition or (
            Condition("starting", time.time()) if source is None else source.condition
        )

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive() and self._thread.ident is not None

    def start(self) -> None:
        self._thread.start()
        self._follow_rule()

    def stop(self) -> None:
        """Ask it to end; `join` waits until its log is whole."""
        self._stopping.set()
        source = self.source
        if source is not None:
            source.stop()

    def join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    def view(self, height: int | None, for_s: float) -> None:
        """Somebody watches, for so long at least. height: of pictures, None for none."""
        self._newest.ask(for_s)
        if height is not None and (source := self.source) is not None:
            source.view(height, for_s)

    def set_rule(self, rule: Rule, rule_name: str | None) -> None:
        """Apply to what comes, and to all of the run so far. Raises SettingError."""
        run = self.run
        if run is not None:
            run.set_rule(rule, rule_name)
        self.feed = replace(self.feed, rule=rule, rule_name=rule_name)
        self._follow_rule()

    def _follow_rule(self) -> None:
        rule_hash = self.feed.rule.rule_hash
        self.drift.follow(rule_hash, lambda: reference_of_rule(self._host.store, rule_hash))

    # In the thread

    def _keep(self) -> None:
        try:
            self._keep_running()
        finally:
            self._numbers.close()
            self._newest.close()

    def _keep_running(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._close_left_run()
                self._watch()
            except LogWriteError as error:
                self._go_on_without_log(str(error))
                continue
            except (SettingError, SourceError) as error:
                self._condition = Condition("failed", time.time(), str(error))
                return
            except Exception as error:
                # Whatever a detector or a plugin raises: this feed begins again, others go on.
                self._pause(error, time.monotonic() - began)
                continue
            if not self._stopping.is_set():
                self._condition = Condition("ended", time.time())
                return
        self._condition = Condition("stopped", time.time())

    def _pause(self, error: Exception, healthy_s: float) -> None:
        if healthy_s >= _HEALTHY_S:
            self._failures = 0
        delay_s = DELAYS_S[min(self._failures, len(DELAYS_S) - 1)]
        self._failures += 1
        why = str(error) if isinstance(error, LabError) else in_words(error)
        self._condition = Condition("failed", time.time(), why, time.time() + delay_s)
        self._stopping.wait(delay_s)

    def _watch(self) -> None:
        """One run, from connecting to the end of its samples."""
        self.folder.mkdir(parents=True, exist_ok=True)
        feed = self.feed
        self._condition = Condition("starting", time.time(), "the detector is loaded")
        detector = self._host.models.take(feed.detector, feed.detector_settings)
        self.detector = detector
        began = time.time()
        recording = self._new_place(began) if feed.keep_s > 0 else None
        self.recording = recording
        try:
            feed.rule.check_floor(float(detector.recipe()["score_floor"]))
            with self._connected(new_media_id(feed.feed_id, began), recording) as source:
                source.begin([Sampling(every_s=feed.every_s)])
                self._condition = None
                while not source.wait(_WAIT_S):
                    if self._stopping.is_set():
                        return
                if source.size_px is None and source.condition.state in _ENDED:
                    if source.condition.state == "failed":
                        raise SourceError(source.condition.reason or "it cannot be had")
                    return
                self._analyse(source, detector, source.began or time.time(), recording)
        finally:
            self.source = self.detector = self.recording = None
            self.drift.end()
            self._host.models.release(detector)

    def _new_place(self, began: float) -> Path:
        """A folder that no other recording has: it may begin twice in a second."""
        name = recording_name(self.feed.feed_id, began)
        places = (self.folder / "recording" / f"{name}{end}" for end in _endings())
        return next(place for place in places if not place.exists())

    def _connected(self, media_id: str, recording: Path | None) -> LiveSource:
        feed = self.feed
        self.source = live_source(
            feed.source,
            name=feed.title,
            media_id=media_id,
            recording=recording,
            silent_s=feed.silent_s,
            frozen_s=feed.frozen_s,
            state_folder=self.folder / SOURCE,
            seen_until_us=seen_until_us(self.folder),
        )
        return self.source

    def _analyse(
        self, source: LiveSource, detector: Detector, began: float, recording: Path | None
    ) -> None:
        feed, store = self.feed, self._host.store
        width_px, height_px = source.size_px or (0, 0)
        place = recording or self.folder / "recording" / recording_name(feed.feed_id, began)
        media = replace(source.media(), width_px=width_px, height_px=height_px, path=str(place))
        sampling = Sampling(every_s=feed.every_s)
        recipe = make_recipe(media.media_id, detector.recipe(), sampling=sampling)
        if feed.source.get("max_height") is not None:  # scores of smaller pictures are others
            recipe["max_height"] = feed.source["max_height"]
        source_facts = {"source": shown_source(feed.source), "source_type": feed.source["type"]}
        self.drift.begin(protocol_hash({**recipe, **source_facts}))
        run_id = new_run_id()

        def begin_run() -> None:
            self.last_run_id = run_id
            self.run = FeedRun(
                feed,
                store,
                self._host.publisher,
                run_id=run_id,
                media=media,
                folder=self.folder,
                recording=recording,
                size_px=(width_px, height_px),
                began=began,
                counts=self.counts,
                labels=detector.labels,
                number=self._numbers.next,
                listen=self._show,
            )

        def take(sample: LoggedSample) -> None:
            assert self.run is not None
            self.run.take(sample)

        def know_size(size_px: tuple[int, int]) -> None:
            assert self.run is not None
            self.run.set_size(size_px)

        register = FeedRegister(store, media, {run_id: {"feed": feed.feed_id}})
        register.began, register.site, register.recording = began, feed.site, recording
        register.then, register.turn = begin_run, self._host.registering
        planned = PlannedRun(
            run_id,
            store.log_folder(run_id),
            recipe,
            detector,
            sampling,
            on_logged=take,
            on_size=know_size,
        )
        try:
            (outcome,) = execute(
                source,
                [planned],
                media=media,
                register=register,
                cancelled=self._stopping.is_set,
                flush_every_s=self._host.pause_s(FLUSH_EVERY_S),
            )
        except BaseException:
            # Closed from its log by `_close_left_run`, when that can be written again.
            self.run = None
            raise
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        run, self.run = self.run, None
        if run is None:
            return
        reason: FinishReason = "end" if outcome.state == "done" else "cancelled"
        if run.last is not None:
            stamp = run.last.stamp
            keep_seen(self.folder, stamp.pts_us, stamp.wall_time, run.feed.every_s)
        run.finish(reason, partial(forget_run, self.folder, run.run_id))
        last_us = 0 if run.last is None else run.last.stamp.pts_us
        if outcome.state == "failed":
            raise LabError(outcome.error or "the analysis failed")
        self._keep_media(run.media, last_us)

    def _keep_media(self, media: Media, end_us: int) -> None:
        whole = replace(media, end_us=end_us)
        with suppress(LabError, OSError):
            self._host.store.add_media(whole)
            if (folder := Path(media.path)).is_dir():
                keep_recorded_media(folder, whole)

    def _show(self, sample: LoggedSample) -> None:
        self.last_frame_at = sample.stamp.wall_time
        if self.run is not None:
            self._newest.put(self.run.run_id, sample.stamp, sample.found)
        self.drift.take(sample)
        self._picture.show(sample.image_bgr, self._host.pause_s(1.0))

    @property
    def picture_at(self) -> float | None:
        """When the last picture was kept, Unix seconds."""
        return self._picture.at

    # What an earlier process, or a full disk, left

    def _close_left_run(self) -> None:
        left = left_run(self.folder)
        if left is not None:
            tell_left_run(
                self.feed,
                self.folder,
                left,
                self._host.store,
                self._host.publisher,
                self._numbers.next,
            )
            self._wait_until_forgotten()

    def _wait_until_forgotten(self) -> None:
        while left_run(self.folder) is not None and not self._stopping.is_set():
            time.sleep(0.02)

    def _go_on_without_log(self, why: str) -> None:
        """The disk is full: show the picture, log nothing, and look now and then."""
        self.problem = f"nothing is logged: {why}"
        checked_at = time.monotonic()
        try:
            with self._connected("", None) as source:
                source.begin([Sampling(every_s=self.feed.every_s)])
                self._condition = None
                for _ in source.samples([Sampling(every_s=self.feed.every_s)]):
                    if self._stopping.is_set():
                        return
                    if time.monotonic() - checked_at >= _DISK_EVERY_S:
                        checked_at = time.monotonic()
                        if self._disk_has_room():
                            break
        except LabError:
            self._stopping.wait(_DISK_EVERY_S)
        finally:
            self.source = None
        if self._disk_has_room():
            self.problem = None

    def _disk_has_room(self) -> bool:
        try:
            return shutil.disk_usage(self.folder).free > _DISK_BYTES
        except OSError:
            return False


def _endings() -> Iterator[str]:
    yield ""
    yield from (f"-{number}" for number in count(2))
