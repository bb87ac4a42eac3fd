"""What sinks are told, made of what a session decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lab.clock import utc_text
from lab.errors import SourceError
from lab.feeds.feed import Feed
from lab.feeds.pictures import PeakPictures
from lab.feeds.session import FeedEvent
from lab.rules.rule import Rule
from lab.sinks.event import SightingEvent
from lab.video.live.cutting import picture_at


@dataclass
class EventMaker:
    """Of one run. began: Unix seconds of media time 0, from which all times of day follow, in the
    store as well. size_px: in whose pixels its boxes are. number: gives the next of the feed's
    events.

    Pictures are made when somebody asks an event for them: of what the session has kept, else of
    the recording.
    """

    feed: Feed
    run_id: str
    media_id: str
    rule: Rule
    rule_name: str | None
    recording: Path | None
    began: float
    size_px: tuple[int, int]
    number: Callable[[], int]
    _peaks: dict[str, tuple[int, PeakPictures]] = field(default_factory=dict)

    def make(self, event: FeedEvent) -> SightingEvent:
        """Raises OSError where no number can be had, as on a full disk."""
        one = event.sighting

        def utc(at_us: int) -> str:
            return utc_text(self.began + at_us / 1e6)

        return SightingEvent(
            event_id=_event_id(event),
            kind=event.kind,
            sequence=self.number(),
            sighting_id=event.sighting_id,
            feed=self.feed.feed_id,
            feed_name=self.feed.title,
            label=one.label,
            detector=self.feed.detector,
            run_id=self.run_id,
            media_id=self.media_id,
            rule_hash=self.rule.rule_hash,
            rule_name=self.rule_name,
            created_utc=utc_text(event.wall_time),
            onset_s=one.onset_us / 1e6,
            onset_earliest_s=one.onset_earliest_us / 1e6,
            offset_s=one.offset_us / 1e6,
            offset_latest_s=one.offset_latest_us / 1e6,
            peak_s=one.peak_us / 1e6,
            peak_confidence=one.peak_confidence,
            onset_utc=utc(one.onset_us),
            offset_utc=utc(one.offset_us),
            peak_utc=utc(one.peak_us),
            close_reason=one.close_reason,
            recording=None if self.recording is None else str(self.recording),
            **self._peak(event),
        )

    def _peak(self, event: FeedEvent) -> Mapping[str, Any]:
        """What is to be seen at the peak: nothing where nobody knows its boxes."""
        if event.box_xyxy_px is None or event.box_confidence is None:
            return {}
        width, height = self.size_px
        if event.picture is not None:
            height, width = event.picture.shape[:2]
        pictures = self._pictures(event, event.box_xyxy_px, event.box_confidence, (width, height))
        fractions = event.box_xyxy_px.astype(float) / [width, height, width, height]
        return {
            "width_px": width,
            "height_px": height,
            "boxes": tuple(tuple(box) for box in fractions.round(6).tolist()),
            "box_confidences": tuple(event.box_confidence.astype(float).round(6).tolist()),
            "picture_jpeg": pictures.drawn,
            "plain_jpeg": pictures.plain,
        }

    def _pictures(
        self,
        event: FeedEvent,
        box_xyxy_px: np.ndarray,
        confidence: np.ndarray,
        size_px: tuple[int, int],
    ) -> PeakPictures:
        """The same for all events of a sighting with that peak."""
        label, peak_us = event.sighting.label, event.sighting.peak_us
        known_us, pictures = self._peaks.pop(label, (None, None))
        if pictures is None or known_us != peak_us:
            image_of: Callable[[], np.ndarray | None] = partial(self._recorded, peak_us)
            if event.picture is not None:
                image_of = partial(_as_it_is, event.picture)
            pictures = PeakPictures(image_of, label, box_xyxy_px, confidence, size_px)
        if event.kind != "closed":
            self._peaks[label] = peak_us, pictures
        return pictures

    def _recorded(self, pts_us: int) -> np.ndarray | None:
        if self.recording is None:
            return None
        try:
            return picture_at(self.recording, pts_us)
        except (SourceError, OSError):  # gone by retention: there is no picture any more
            return None


def _event_id(event: FeedEvent) -> str:
    """The same whenever the same log is decided by the same rule."""
    number = f"-{event.sighting.peak_us}" if event.kind == "updated" else ""
    return f"{event.sighting_id}-{event.kind}{number}"


def _as_it_is(image_bgr: np.ndarray) -> np.ndarray:
    return image_bgr
