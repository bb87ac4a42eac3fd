"""What a rule decides while a source is analysed: the same as a replay of the log, and at once."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lab.detection import Detections, scaled_boxes
from lab.frame import FrameStamp
from lab.rules.rule import Rule
from lab.rules.tracker import Tracker
from lab.sighting import Event, FinishReason, Sighting
from lab.video.source import SKIPPED

FeedEventKind = Literal["closed", "opened", "updated", "alerted"]
UPDATE_EVERY_US = 10_000_000
_MOST_PEAKS = 64


@dataclass(frozen=True)
class FeedEvent:
    """Something to tell: a sighting opened, alerted or closed, or has a higher peak.

    sighting_id: the same in each event of a sighting, and in any other pass over the same log.
    picture: its highest sample so far, uint8 BGR of shape (height, width, 3), with the boxes of its
    label there, float32 (n, 4) in pixels, and their confidences; None where it is not at hand, as
    after a restart, from which `lab.feeds.logged_peaks` finds the boxes.
    wall_time: Unix seconds at which the sample was received that decided it.
    """

    kind: FeedEventKind
    sighting_id: str
    sighting: Sighting
    wall_time: float
    picture: np.ndarray | None = None
    box_xyxy_px: np.ndarray | None = None
    box_confidence: np.ndarray | None = None


@dataclass(frozen=True)
class _Peak:
    pts_us: int
    image: np.ndarray
    box_xyxy_px: np.ndarray
    box_confidence: np.ndarray


class Session:
    """Decides for one run and rule; `take` is given every sample that was logged, in order.

    run_id: of the run, of which the ids of sightings are made. every_s: seconds between samples.
    tell: is given events in their order.
    """

    def __init__(
        self,
        run_id: str,
        rule: Rule,
        every_s: float,
        tell: Callable[[FeedEvent], None],
        *,
        wall_time: float = 0.0,
    ) -> None:
        self.rule = rule
        self._run_id, self._every_s, self._tell = run_id, every_s, tell
        self._tracker = Tracker(rule, every_s=every_s)
        self._peaks: dict[str, deque[_Peak]] = {}
        self._told_peak: dict[str, int] = {}  # of each sighting that opened, by its label
        self._updated_us: dict[str, int] = {}
        self._wall_time = wall_time
        self._last_us: int | None = None  # of all samples, those that failed included

    def state(self) -> dict[str, Any]:
        """What another session of the same run and rule goes on from, as JSON takes it."""
        return self._tracker.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        self._tracker.restore(state)
        for label in state["labels"]:
            if (sighting := self._tracker.present(label)) is not None:
                self._told_peak[label] = sighting.peak_us

    @property
    def present(self) -> dict[str, Sighting]:
        """The sightings that were announced and are not over, by label."""
        found = {label: self._tracker.present(label) for label in self._told_peak}
        return {label: one for label, one in found.items() if one is not None}

    def take(
        self, stamp: FrameStamp, found: Detections, image: np.ndarray | None, size_px: Sequence[int]
    ) -> None:
        """A sample; one that failed or was gated moves nothing, and one that was overtaken is none.

        size_px: width and height, in whose pixels the boxes are; the picture may have another size.
        """
        if found.gated == SKIPPED:
            return
        self._last_us, self._wall_time = stamp.pts_us, stamp.wall_time
        if stamp.error is not None or found.error is not None:
            return
        if found.gated is not None:
            self._tracker.held_back(stamp.pts_us)
            return
        boxes = boxes_that_pass(self.rule, found, size_px)
        scores = {label: float(confidence.max()) for label, (_, confidence) in boxes.items()}
        if image is not None:
            for label, (box_xyxy_px, confidence) in boxes.items():
                kept = self._peaks.setdefault(label, deque(maxlen=_MOST_PEAKS))
                shown = scaled_boxes(box_xyxy_px, size_px, image.shape[1::-1])
                kept.append(_Peak(stamp.pts_us, image, shown, confidence))
        self._announce(self._tracker.update(stamp.pts_us, scores))
        self._announce_peaks(stamp.pts_us)
        self._forget()

    def finish(self, reason: FinishReason) -> None:
        """There are no more samples: what is open closes, at the last one that was logged."""
        self._announce(self._tracker.finish(reason, self._last_us))
        self._peaks.clear()

    def _announce(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.kind == "closed":
                self._told_peak.pop(event.label, None)
            else:
                self._told_peak[event.label] = event.sighting.peak_us
            self._give(event.kind, event.sighting)

    def _announce_peaks(self, pts_us: int) -> None:
        """A peak that rose since it was told, but not more often than every few seconds."""
        for label, told_us in self._told_peak.items():
            sighting = self._tracker.present(label)
            if sighting is None or sighting.peak_us == told_us:
                continue
            if pts_us - max(told_us, self._updated_us.get(label, 0)) >= UPDATE_EVERY_US:
                self._told_peak[label] = sighting.peak_us
                self._updated_us[label] = pts_us
                self._give("updated", sighting)

    def _give(self, kind: FeedEventKind, sighting: Sighting) -> None:
        kept = self._peaks.get(sighting.label, ())
        peak = next((one for one in kept if one.pts_us == sighting.peak_us), None)
        known = sighting_id(self._run_id, self.rule, sighting)
        if peak is None:
            self._tell(FeedEvent(kind, known, sighting, self._wall_time))
        else:
            picture = (peak.image, peak.box_xyxy_px, peak.box_confidence)
            self._tell(FeedEvent(kind, known, sighting, self._wall_time, *picture))

    def _forget(self) -> None:
        """Pictures that can be the peak of nothing any more: those before the highest one.

        A presence that is open or about to open has its peak among its own samples; of the others
        only as many are kept as an entering window holds.
        """
        for label, kept in self._peaks.items():
            state = self._tracker.of(label)
            highest = [one.peak_us for one in (state.open, state.pending) if one is not None]
            window = {sample.pts_us for sample in state.window}
            wanted = window.union(highest)
            fresh = [one for one in kept if one.pts_us in wanted]
            kept.clear()
            kept.extend(fresh)


def boxes_that_pass(
    rule: Rule, found: Detections, size_px: Sequence[int]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By label, the boxes that its filter lets through, float32 (n, 4) in pixels, and confidences.

    size_px: width and height of the picture.
    """
    boxes: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    labels = np.asarray(found.labels, object)
    for label in dict.fromkeys(found.labels):
        rows = np.flatnonzero(labels == label)
        only = rule.of(label).box_filter
        if not only.passes_all:
            rows = rows[only.mask(found.box_xyxy_px[rows], *size_px)]
        if len(rows):
            boxes[label] = (found.box_xyxy_px[rows], found.confidence[rows])
    return boxes


def sighting_id(run_id: str, rule: Rule, sighting: Sighting) -> str:
    """16 hex digits that are the same whenever the same log is decided by the same rule."""
    text = f"{run_id} {rule.rule_hash} {sighting.onset_us} {sighting.label}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
