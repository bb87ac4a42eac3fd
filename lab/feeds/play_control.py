"""Plays a control into the path of a feed, and measures what is found and who is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lab.detectors.detector import Detector
from lab.errors import LabError, SettingError
from lab.evaluation.counts import Counts, count, total
from lab.evaluation.matching import Presences
from lab.evaluation.rates import proportion_interval
from lab.feeds.control import Control
from lab.feeds.control_deliveries import Deliver, Deliveries, FateOf, Stopping
from lab.feeds.control_report import NOT_TAKEN, ControlReport, Delivery
from lab.feeds.control_run import Played
from lab.feeds.feed import Feed
from lab.registry import in_words
from lab.score_log.effort import analysed_spans


def play(
    control: Control,
    feed: Feed,
    detector: Detector,
    deliver: Deliver,
    fate: FateOf,
    stopping: Stopping = lambda: False,
    down: Callable[[], str | None] = lambda: None,
) -> ControlReport:
    """Play the clip at its own pace, and wait until the sinks took the marked event.

    detector: of the feed. deliver: puts an event where a sink finds it. fate: what became of it,
    by the sink's name and the event's id. down: why the feed itself sees nothing now: then silence
    means nothing, and the control fails. Whatever goes wrong is in the report.
    """
    began = time.time()
    played = Played(feed, detector, control.clip, began)
    facts: dict[str, Any] = {
        "feed": feed.feed_id,
        "clip": control.clip.name,
        "began": began,
        "rule_hash": feed.rule.rule_hash,
    }
    try:
        wanted = _wanted(control, feed, detector)
        facts["left_out"] = tuple(sorted(set(_shown(control)) - set(wanted)))
        if not wanted:
            raise SettingError(
                f"the feed looks for nothing that is in the clip: {', '.join(_shown(control))}"
            )
        was_down = down()
        deliveries = Deliveries(feed.sinks, deliver, fate)
        played.run(tell=deliveries.take, stopping=stopping)
        taken = deliveries.wait(control.deliver_within_s, stopping)
    except Exception as error:
        # A control that cannot be played is a failed one, whatever the reason.
        why = str(error) if isinstance(error, LabError) else in_words(error)
        return ControlReport(**facts, ended=time.time(), state="failed", reasons=(why,))
    if stopping():
        return ControlReport(**facts, ended=time.time(), state="cancelled")
    counts = {label: _counted(control, feed, played, label) for label in wanted}
    return _report(control, facts, counts, taken, played, was_down or down())


def _shown(control: Control) -> list[str]:
    """The labels that are to be seen in the clip."""
    truth = control.truth
    return [one for one in truth.labels if len(truth.of(control.media_id, one).present)]


def _wanted(control: Control, feed: Feed, detector: Detector) -> list[str]:
    """Those of them that the feed looks for."""
    only, known = feed.rule.only, detector.labels  # of some detectors no label is known before
    return [
        label
        for label in _shown(control)
        if (not known or label in known) and (only is None or label in only)
    ]


def _counted(control: Control, feed: Feed, played: Played, label: str) -> Counts:
    """Media time of the play begins at the first frame."""
    truth = control.truth.of(control.media_id, label)
    moved = type(truth)(
        present=truth.present - control.first_us,
        copied=truth.copied,
        covered=truth.covered - control.first_us,
        rejected=truth.rejected - control.first_us,
    )
    pts_us = np.array(played.pts_us, np.int64)
    made, _ = count(
        Presences.of_sightings(played.sightings(label)),
        moved,
        control.matching,
        pts_us=pts_us,
        interval_us=round(feed.every_s * 1e6),
        analysed=analysed_spans(pts_us, np.ones(len(pts_us), bool), played.end_us, feed.every_s),
    )
    return made


def _report(
    control: Control,
    facts: dict[str, Any],
    counts: Mapping[str, Counts],
    deliveries: Mapping[str, Delivery],
    played: Played,
    down: str | None,
) -> ControlReport:
    whole = total(list(counts.values()))
    recall = whole.tp / whole.annotations if whole.annotations else None
    low, high = proportion_interval(whole.tp, whole.annotations) or (None, None)
    reasons = [] if down is None else [f"the feed itself sees nothing now ({down})"]
    if recall is None:
        reasons.append("nothing that the rule looks for could be found in the clip")
    elif recall < control.min_recall:
        reasons.append(
            f"{whole.tp} of {whole.annotations} were found, {control.min_recall:.0%} must be"
        )
    reasons += [
        f"sink {name}: {NOT_TAKEN[one.state]}"
        for name, one in deliveries.items()
        if one.state in NOT_TAKEN
    ]
    return ControlReport(
        **facts,
        ended=time.time(),
        state="failed" if reasons else "ok",
        reasons=tuple(reasons),
        expected=whole.annotations,
        found=whole.tp,
        false=whole.fp,
        recall=recall,
        recall_low=low,
        recall_high=high,
        by_label={label: (one.tp, one.annotations) for label, one in counts.items()},
        delays_s=tuple((whole.delays_us / 1e6).round(6).tolist()),
        deliveries=dict(deliveries),
        analysed=len(played.pts_us),
        skipped=played.skipped,
        failed=played.failed,
    )
