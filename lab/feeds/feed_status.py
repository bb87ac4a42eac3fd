"""How a feed is, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.feeds.day_counts import DayCounts
from lab.feeds.feed import Feed
from lab.feeds.feed_runner import FeedRunner
from lab.feeds.shared_detector import SharedDetector
from lab.feeds.shown_source import shown_source


def feed_status(
    feed: Feed,
    runner: FeedRunner | None,
    day: DayCounts,
    events: list[dict[str, Any]],
    control: Mapping[str, Any] | None = None,
    *,
    known_since: float = 0.0,
    rule_is_set_here: bool = False,
) -> dict[str, Any]:
    """runner: None for a feed that was not started. control: as of `Controls.status`.
    known_since: Unix seconds at which the feed was first watched for. rule_is_set_here: whether its
    rule was set on a page or by a command, in place of that of its file.
    """
    run = None if runner is None else runner.run
    source = None if runner is None else runner.source
    shown: dict[str, Any] = {
        "name": feed.title,
        "source": shown_source(feed.source),
        "source_type": feed.source["type"],
        "site": feed.site,
        "detector": feed.detector,
        "every_s": feed.every_s,
        "rule": feed.rule.to_dict(),
        "rule_hash": feed.rule.rule_hash,
        "rule_name": feed.rule_name,
        "rule_is_set_here": rule_is_set_here,
        "sinks": list(feed.sinks),
        "day": day.to_dict(),
        "events": events,
        "drift": [] if runner is None else runner.drift.texts(),
        "drift_findings": []
        if runner is None
        else [finding.to_dict() for finding in runner.drift.findings()],
        "compared_with": None if runner is None else runner.drift.compared_with(),
        "control": control,
        **_condition(runner, known_since),
    }
    counts = None if runner is None else runner.counts
    shown |= {
        "run_id": None if run is None else run.run_id,
        "last_run_id": None if runner is None else runner.last_run_id,
        "media_id": None if run is None else run.media.media_id,
        "recording": None if run is None or run.recording is None else str(run.recording),
        "labels": [] if run is None else list(run.labels),
        "width_px": None if run is None else run.size_px[0],
        "height_px": None if run is None else run.size_px[1],
        "decoded": 0 if source is None else source.received,
        "reconnects": 0 if source is None else source.reconnects,
        "analysed": 0 if counts is None else counts.ok,
        "skipped": 0 if counts is None else counts.skipped,
        "failed": 0 if counts is None else counts.failed,
        "gated": 0 if counts is None else counts.gated,
        "lag_s": None if run is None else run.lag_s,
        "inference_s": None if runner is None else _inference_s(runner),
        "last_frame_at": None if runner is None else runner.last_frame_at,
        "last_pts_s": None if run is None or run.last is None else run.last.stamp.pts_us / 1e6,
        "present": {} if run is None else {k: one.onset_s for k, one in run.present.items()},
        "problem": _problem(runner) or _failed(control),
        "picture": None,
        "picture_at": None,
        "viewer": None if source is None else source.viewer,
    }
    if runner is not None and (picture := runner.folder / "last.jpg").exists():
        shown |= {"picture": str(picture), "picture_at": runner.picture_at}
    return shown


def _condition(runner: FeedRunner | None, known_since: float) -> dict[str, Any]:
    if runner is None:
        return {"state": "stopped", "since": known_since, "reason": None, "retry_at": None}
    condition = runner.condition
    return {
        "state": condition.state,
        "since": condition.since,
        "reason": condition.reason,
        "retry_at": condition.retry_at,
    }


def _problem(runner: FeedRunner | None) -> str | None:
    if runner is None:
        return None
    source = runner.source
    return runner.problem or (None if source is None else source.problem)


def _failed(control: Mapping[str, Any] | None) -> str | None:
    report = None if control is None else control["report"]
    return report["text"] if report is not None and report["state"] == "failed" else None


def _inference_s(runner: FeedRunner) -> float | None:
    detector = runner.detector
    return detector.model.last_s if isinstance(detector, SharedDetector) else None
