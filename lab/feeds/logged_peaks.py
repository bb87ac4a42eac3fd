"""Peaks that nobody has in memory any more, as after a kill: what the log says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lab.errors import LabError
from lab.feeds.logged import logged_samples
from lab.feeds.session import FeedEvent, boxes_that_pass
from lab.rules.rule import Rule
from lab.score_log.score_log import read_log


def with_logged_peaks(
    events: Sequence[FeedEvent], folder: Path, rule: Rule, size_px: tuple[int, int]
) -> list[FeedEvent]:
    """The events, with the boxes of their peaks where they have none; the picture is not in a log.

    folder: of the log, which is read only if it is needed. A log that cannot be read gives none.
    """
    if all(event.box_xyxy_px is not None for event in events):
        return list(events)
    try:
        log = read_log(folder)
    except LabError:
        return list(events)
    found = []
    for event in events:
        peak_us = event.sighting.peak_us
        at = int(np.searchsorted(log.pts_us, peak_us))
        is_logged = at < len(log.pts_us) and int(log.pts_us[at]) == peak_us and bool(log.ok[at])
        if event.box_xyxy_px is None and is_logged:
            _, sample = next(logged_samples(log, 0.0, at))
            boxes = boxes_that_pass(rule, sample, size_px).get(event.sighting.label)
            if boxes is not None:
                event = replace(event, box_xyxy_px=boxes[0], box_confidence=boxes[1])
        found.append(event)
    return found
