"""Why: the tracker's state at every sample, and the reason in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from lab.media_time import media_time
from lab.rules.replay import replay_rows, settled_around
from lab.rules.rule import Debounce, LabelRule, Rule
from lab.rules.series import ScoreSeries
from lab.rules.tracker import LabelTracker, Tracker
from lab.sighting import Event


def explain(series: ScoreSeries, rule: LabelRule) -> list[dict[str, Any]]:
    """One row per sample of the run: pts_s, score, state, reason.

    state: `closed`, `entering`, `open`, `leaving`, `ended` (waiting for the merge gap to pass),
    `failed`, or `gated` (held back from the detector).
    """
    return _trace(series, rule, _tracker(series, rule), 0, len(series.sample_pts_us))


def explain_at(series: ScoreSeries, rule: LabelRule, pts_us: int) -> dict[str, Any] | None:
    """The row of `explain` of the last sample at or before a time; None before the first.

    The tracker is fed from the last moment at which nothing was undecided.
    """
    position = int(np.searchsorted(series.sample_pts_us, pts_us, "right")) - 1
    if position < 0:
        return None
    if not series.scored[position]:
        return _trace(series, rule, _tracker(series, rule), position, position + 1)[0]
    debounce, scored = series.resolve(rule.debounce), np.flatnonzero(series.scored)
    at = int(np.searchsorted(scored, position))
    begin, _ = settled_around(series.pts_us, series.scores, debounce, at, at)
    tracker = _tracker(series, rule)
    gaps = series.gaps_for(debounce)
    rows, n = replay_rows(series.pts_us, series.scores, debounce, gaps)
    alerted = rows[:n][(rows[:n, 5] >= 0) & (rows[:n, 2] < begin)]
    if len(alerted):
        state = tracker.of(series.label)
        state.last_alert_us = int(series.pts_us[alerted[-1, 5]])
        state.last_alerted_offset_us = int(series.pts_us[alerted[-1, 2]])
    return _trace(series, rule, tracker, int(scored[begin]), position + 1)[-1]


def _tracker(series: ScoreSeries, rule: LabelRule) -> Tracker:
    only = Rule(default=rule, only=(series.label,))
    return Tracker(only, every_s=series.interval_s, start_us=series.start_us)


def _trace(
    series: ScoreSeries, rule: LabelRule, tracker: Tracker, begin: int, end: int
) -> list[dict[str, Any]]:
    """The rows of the samples from begin to end (exclusive), which are fed to the tracker."""
    debounce, label = series.resolve(rule.debounce), series.label
    first = np.count_nonzero(series.scored[:begin])
    scores, after_gap = iter(series.scores[first:]), iter(_gaps_s(series, debounce)[first:])
    rows = []
    for position in range(begin, end):
        pts_us = int(series.sample_pts_us[position])
        if not series.scored[position]:
            rows.append({"pts_s": pts_us / 1e6, "score": None, **_not_scored(series, position)})
            if series.is_held_back(position):
                tracker.held_back(pts_us)
            continue
        score = float(next(scores))
        before = _Before(tracker.of(label), next(after_gap))
        events = tracker.update(pts_us, {label: score})
        state = tracker.of(label)
        rows.append(
            {
                "pts_s": pts_us / 1e6,
                "score": score,
                "state": _name(state),
                "reason": _reason(state, before, events, debounce, pts_us, score),
            }
        )
    return rows


def _gaps_s(series: ScoreSeries, debounce: Debounce) -> np.ndarray:
    """For each scored sample the seconds of the gap before it that breaks streaks, or 0."""
    gaps = series.gaps_for(debounce)
    steps_s = np.diff(series.pts_us, prepend=series.pts_us[:1]) / 1e6
    return np.where(gaps, steps_s, 0.0) if len(gaps) else np.zeros(len(series.pts_us))


def _not_scored(series: ScoreSeries, position: int) -> dict[str, str]:
    """State and reason of a sample on which the label has no score."""
    state = "gated" if series.gated[position] else "failed"
    what = "gated" if series.gated[position] else "failed sample"
    why = series.why_not_scored(position)
    return {"state": state, "reason": f"{what} ({why}): it moves no streak"}


class _Before:
    """The part of the state before a sample that shows what the sample changed."""

    def __init__(self, state: LabelTracker, gap_s: float) -> None:
        is_open = state.open is not None
        self.was_open = is_open and not gap_s
        self.was_pending = state.pending is not None or (is_open and gap_s > 0)
        self.overs = 0 if gap_s else state.overs
        self.gap = ""
        if gap_s and (is_open or state.overs):
            broken = "the sighting ended before it" if is_open else "entering streak broken"
            self.gap = f"nothing was analysed for {gap_s:.1f} s: {broken}"


def _name(state: LabelTracker) -> str:
    if state.open is not None:
        return "leaving" if state.under_streak else "open"
    if state.overs:
        return "entering"
    return "ended" if state.pending is not None else "closed"


def _reason(
    state: LabelTracker,
    before: _Before,
    events: list[Event],
    rule: Debounce,
    pts_us: int,
    score: float,
) -> str:
    parts = [_level(rule, score), *filter(None, [before.gap])]
    if state.open is not None and not before.was_open:
        merged = before.was_pending and not any(e.kind == "closed" for e in events)
        parts.append("continues the sighting before it" if merged else "the sighting opens")
        if not merged:
            parts.append(f"its onset is {media_time(state.open.onset_us)}")
    elif before.was_open and state.open is None:
        parts.append(f"{rule.exit_frames} under in a row: the sighting ends")
        if state.pending is not None:
            parts.append(f"a new one within {rule.merge_gap_s:g} s would continue it")
        elif not events:
            parts.append(f"dropped: shorter than {rule.min_duration_s:g} s")
    elif state.open is not None:
        if state.under_streak:
            parts.append(f"{state.under_streak} of {rule.exit_frames} under samples to exit")
    elif state.overs:
        window = "" if rule.enter_window == rule.enter_frames else f" (window {rule.enter_window})"
        parts.append(f"{state.overs} of {rule.enter_frames} over samples to enter{window}")
    elif before.overs:
        parts.append(f"entering streak broken at {media_time(pts_us)}")
    if any(e.kind == "closed" for e in events) and before.was_pending:
        parts.append("the sighting before it is final")
    return "; ".join(parts + _alert(state, events, rule, pts_us))


def _level(rule: Debounce, score: float) -> str:
    if score >= rule.enter_threshold:
        return f"over ({score:.3f} >= {rule.enter_threshold:g})"
    missed = f"missed by {rule.enter_threshold - score:.3f}"
    if score < rule.exit_threshold:
        return f"under ({score:.3f} < {rule.exit_threshold:g}, {missed})"
    return f"between ({score:.3f}: neither over nor under, {missed})"


def _alert(state: LabelTracker, events: list[Event], rule: Debounce, pts_us: int) -> list[str]:
    if any(e.kind == "alerted" for e in events):
        return ["alerted"]
    if state.open is None or state.open.alert_us is not None:
        return []
    if not state.open.announced:
        return [f"not announced before it has lasted {rule.min_duration_s:g} s"]
    left_us = state.silenced_us(pts_us)
    return [f"alert silenced, {left_us / 1e6:.1f} s left"] if left_us else []
