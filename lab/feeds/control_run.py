"""A clip played through the path of a feed: connection, detector, log, rule, events."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lab.detectors.detector import Detector
from lab.errors import SourceError
from lab.feeds.events import EventMaker
from lab.feeds.feed import Feed
from lab.feeds.session import FeedEvent, Session
from lab.leftovers import remove_folders_of_the_dead
from lab.runs.execute import PlannedRun, execute
from lab.runs.pipeline import LoggedSample
from lab.score_log.recipe import make_recipe
from lab.sighting import Sighting
from lab.sinks.event import CONTROL, SightingEvent
from lab.video.live.make import live_source
from lab.video.sampling import Sampling
from lab.video.source import LiveSource

_WAIT_S = 0.5
_LOGS = "lab-control-"
_ENDED = ("stopped", "ended", "failed")
Tell = Callable[[SightingEvent, float], None]


class Played:
    """One play; its log is in a temporary folder, and gone at the end.

    pts_us: of the samples that were analysed. end_us: of the last sample. skipped, failed: other
    samples, by number.
    """

    def __init__(self, feed: Feed, detector: Detector, clip: Path, began: float) -> None:
        self._feed, self._detector, self._clip, self._began = feed, detector, clip, began
        self.run_id = f"{CONTROL}{uuid.uuid4().hex[:12]}"
        self.pts_us: list[int] = []
        self.end_us = self.skipped = self.failed = 0
        self._closed: list[Sighting] = []

    def sightings(self, label: str) -> list[Sighting]:
        """Those of a label, in order of time."""
        found = [one for one in self._closed if one.label == label]
        return sorted(found, key=lambda sighting: sighting.onset_us)

    def run(self, *, tell: Tell, stopping: Callable[[], bool]) -> None:
        """Play to the end.

        tell: is given each event as a sink would see it, marked as a test, and the Unix seconds at
        which the sample was received that decided it.

        Raises LabError if it cannot be played or analysed.
        """
        settings = {"type": "file", "path": str(self._clip)}
        if "max_height" in self._feed.source:
            settings["max_height"] = self._feed.source["max_height"]
        with live_source(settings, name=f"control of {self._feed.title}") as source:
            sampling = Sampling(every_s=self._feed.every_s)
            source.begin([sampling])
            while not source.wait(_WAIT_S):
                if stopping():
                    return
            if source.size_px is None and source.condition.state in _ENDED:
                raise SourceError(source.condition.reason or f"{self._clip} shows nothing")
            self._analyse(source, sampling, tell, stopping)

    def _analyse(
        self, source: LiveSource, sampling: Sampling, tell: Tell, stopping: Callable[[], bool]
    ) -> None:
        width_px, height_px = source.size_px or (0, 0)
        media = replace(source.media(), width_px=width_px, height_px=height_px)
        maker = EventMaker(
            self._feed,
            self.run_id,
            media.media_id,
            self._feed.rule,
            self._feed.rule_name,
            None,
            source.began or time.time(),
            (width_px, height_px),
            number=lambda: 0,
        )
        found: list[FeedEvent] = []
        session = Session(self.run_id, self._feed.rule, self._feed.every_s, found.append)

        def announce() -> None:
            for event in found:
                if event.kind == "closed":
                    self._closed.append(event.sighting)
                tell(replace(maker.make(event), is_test=True), event.wall_time)
            found.clear()

        sizes = [(width_px, height_px)]

        def take(sample: LoggedSample) -> None:
            self._count(sample)
            session.take(sample.stamp, sample.found, sample.image_bgr, sizes[-1])
            announce()

        recipe = make_recipe(self.run_id, self._detector.recipe(), sampling=sampling)
        remove_folders_of_the_dead(_LOGS)
        with tempfile.TemporaryDirectory(prefix=f"{_LOGS}{os.getpid()}-") as folder:
            planned = PlannedRun(
                self.run_id,
                Path(folder) / "log",
                recipe,
                self._detector,
                sampling,
                on_logged=take,
                on_size=sizes.append,
            )
            (outcome,) = execute(source, [planned], media=media, cancelled=stopping)
        if outcome.error is not None:
            raise SourceError(outcome.error)
        session.finish("end")
        announce()

    def _count(self, sample: LoggedSample) -> None:
        self.end_us = sample.stamp.pts_us
        if sample.stamp.error is not None or sample.found.error is not None:
            self.failed += 1
        elif sample.found.gated is not None:
            self.skipped += 1
        else:
            self.pts_us.append(sample.stamp.pts_us)
