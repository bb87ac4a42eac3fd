"""The tracker: scores in, sightings out, one sample at a time. This form is the truth.

It does no I/O and reads no clock: time is an argument, and it is media time. `lab.rules.replay` is
the fast form over a whole score log; a property test holds the two equal.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from lab.rules.rule import Debounce, Rule, seconds_to_us
from lab.score_log.effort import gap_limit_us
from lab.sighting import CloseReason, Event, FinishReason, Sighting

_KIND_ORDER = {"closed": 0, "opened": 1, "alerted": 2}
_COUNTED = ("under_streak", "last_alert_us", "last_alerted_offset_us")


class _Sample(NamedTuple):
    pts_us: int
    before_us: int
    score: float
    over: bool
    first: bool


@dataclass
class _Presence:
    """A sighting under way, or ended and waiting for the merge gap to pass."""

    onset_us: int
    onset_earliest_us: int
    confirmed_us: int
    offset_us: int
    peak_us: int
    peak_score: float
    censored_left: bool
    offset_latest_us: int | None = None
    closed_us: int | None = None
    closed_by_gap: bool = False
    announced: bool = False
    alert_us: int | None = None


class LabelTracker:
    """The state of one label.

    debounce: resolved to counts (`Debounce.resolved`).
    """

    def __init__(self, label: str, debounce: Debounce) -> None:
        self.label = label
        self.debounce = debounce
        self._min_us = seconds_to_us(debounce.min_duration_s)
        self._gap_us = seconds_to_us(debounce.merge_gap_s)
        self._cooldown_us = seconds_to_us(debounce.cooldown_s)
        self.window: deque[_Sample] = deque(maxlen=debounce.enter_window)
        self.open: _Presence | None = None
        self.pending: _Presence | None = None
        self.under_streak = 0
        self.last_alert_us: int | None = None
        self.last_alerted_offset_us: int | None = None
        self._gap_peak: tuple[float, int] | None = None

    def state(self) -> dict[str, Any]:
        """All that the next sample is decided by, as JSON takes it."""
        return {
            "window": [list(sample) for sample in self.window],
            "open": None if self.open is None else asdict(self.open),
            "pending": None if self.pending is None else asdict(self.pending),
            "gap_peak": None if self._gap_peak is None else list(self._gap_peak),
            **{name: getattr(self, name) for name in _COUNTED},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where another one was when it gave its `state`, under the same rule."""
        self.window.extend(_Sample(*sample) for sample in state["window"])
        self.open = None if state["open"] is None else _Presence(**state["open"])
        self.pending = None if state["pending"] is None else _Presence(**state["pending"])
        self._gap_peak = None if state["gap_peak"] is None else tuple(state["gap_peak"])
        for name in _COUNTED:
            setattr(self, name, state[name])

    def present(self) -> Sighting | None:
        presence = self.open or self.pending
        announced = presence is not None and presence.announced
        return self._snapshot(presence) if presence is not None and announced else None

    @property
    def overs(self) -> int:
        """Over samples in the entering window."""
        return sum(sample.over for sample in self.window)

    def silenced_us(self, pts_us: int) -> int:
        """How much longer the cooldown silences an alert, seen from `pts_us`; 0 if it does not."""
        since = (
            self.last_alert_us
            if self.debounce.cooldown_from == "start"
            else self.last_alerted_offset_us
        )
        return 0 if since is None else max(0, self._cooldown_us - (pts_us - since))

    def update(
        self, pts_us: int, before_us: int, score: float, first: bool, after_gap: bool = False
    ) -> list[Event]:
        """One sample. before_us: the sample before it. first: it is the first of all.

        after_gap: for too long before it nothing was analysed.
        """
        if after_gap and self.debounce.gap_policy == "close":
            self._break_off(before_us)
            before_us, first = pts_us, True
        over = score >= self.debounce.enter_threshold
        self.window.append(_Sample(pts_us, before_us, score, over, first))
        entering = over and self.overs >= self.debounce.enter_frames
        if self.pending is not None:
            self._follow_gap(pts_us, score)
        if self.open is not None:
            events = self._stay_or_close(pts_us, score)
        else:
            events = []
            if entering:
                events += self._enter(pts_us)
            events += self._settle(pts_us)
        if self.open is not None:
            events += self._announce(pts_us, entering)
        return events

    def finish(self, pts_us: int, end_us: int, reason: FinishReason) -> list[Event]:
        """No more samples. pts_us: the last one. end_us: where the media ends."""
        events = []
        if self.pending is not None:
            events += self._emit_closed(pts_us, self.pending)
            self.pending = None
        if self.open is not None:
            presence, self.open = self.open, None
            presence.closed_us = pts_us
            if presence.offset_latest_us is None:
                presence.offset_latest_us = end_us
            events += self._emit_closed(pts_us, presence, reason)
        return events

    def _break_off(self, last_us: int) -> None:
        """A gap began after `last_us`: no streak goes on, and what is open ended there."""
        self.window.clear()
        if self.open is None:
            return
        presence, self.open = self.open, None
        presence.closed_us, presence.closed_by_gap = last_us, True
        self._ended(presence)

    def _ended(self, presence: _Presence) -> None:
        """What ended waits for the merge gap to pass."""
        if presence.alert_us is not None:
            self.last_alerted_offset_us = presence.offset_us
        self.pending = presence
        self.under_streak = 0
        self.window.clear()
        self._gap_peak = None

    def _follow_gap(self, pts_us: int, score: float) -> None:
        assert self.pending is not None
        if self._gap_peak is None or score > self._gap_peak[0]:
            self._gap_peak = (score, pts_us)

    def _enter(self, pts_us: int) -> list[Event]:
        """The entering condition holds while closed: open, or continue the one before."""
        streak = list(self.window)
        while not streak[0].over:
            streak.pop(0)
        onset = streak[0]
        self.under_streak = 0
        before, self.pending = self.pending, None
        if before is not None and onset.pts_us - before.offset_us <= self._gap_us:
            if self._gap_peak is not None and self._gap_peak[0] > before.peak_score:
                before.peak_score, before.peak_us = self._gap_peak
            before.offset_us, before.offset_latest_us, before.closed_us = pts_us, None, None
            before.closed_by_gap = False
            self.open = before
            return []
        peak = max(streak, key=lambda sample: sample.score)
        self.open = _Presence(
            onset_us=onset.pts_us,
            onset_earliest_us=onset.before_us,
            confirmed_us=pts_us,
            offset_us=pts_us,
            peak_us=peak.pts_us,
            peak_score=peak.score,
            censored_left=onset.first,
        )
        return [] if before is None else self._emit_closed(pts_us, before)

    def _stay_or_close(self, pts_us: int, score: float) -> list[Event]:
        presence = self.open
        assert presence is not None
        if presence.offset_latest_us is None and score < self.debounce.exit_threshold:
            presence.offset_latest_us = pts_us
        if score >= self.debounce.exit_threshold:
            presence.offset_us, presence.offset_latest_us = pts_us, None
            self.under_streak = 0
            if score > presence.peak_score:
                presence.peak_score, presence.peak_us = score, pts_us
            return []
        self.under_streak += 1
        if self.under_streak < self.debounce.exit_frames:
            return []
        presence.closed_us, self.open = pts_us, None
        self._ended(presence)
        return self._settle(pts_us)

    def _settle(self, pts_us: int) -> list[Event]:
        """An end is final beyond the merge gap, unless an entering streak began within it."""
        presence = self.pending
        if presence is None:
            return []
        last_us = presence.offset_us + self._gap_us
        if pts_us <= last_us or self._streak_began_by(last_us):
            return []
        self.pending = None
        return self._emit_closed(pts_us, presence)

    def _streak_began_by(self, last_us: int) -> bool:
        """Whether an over sample up to `last_us` may still become an onset."""
        needed, room = self.debounce.enter_frames, self.debounce.enter_window
        overs = 0
        for elapsed, sample in enumerate(reversed(self.window), start=1):
            overs += sample.over
            if sample.over and sample.pts_us <= last_us and needed - overs <= room - elapsed:
                return True
        return False

    def _announce(self, pts_us: int, entering: bool) -> list[Event]:
        presence = self.open
        assert presence is not None
        if presence.offset_us - presence.onset_us < self._min_us:
            return []
        events = []
        if not presence.announced:
            presence.announced = True
            events.append(Event("opened", self.label, pts_us, self._snapshot(presence)))
        if presence.alert_us is None and entering and not self.silenced_us(pts_us):
            presence.alert_us = self.last_alert_us = pts_us
            events.append(Event("alerted", self.label, pts_us, self._snapshot(presence)))
        return events

    def _emit_closed(
        self, pts_us: int, presence: _Presence, reason: FinishReason | None = None
    ) -> list[Event]:
        if presence.offset_us - presence.onset_us < self._min_us:
            return []
        why: CloseReason = reason or ("gap" if presence.closed_by_gap else "exit")
        sighting = replace(self._snapshot(presence), close_reason=why, censored_right=why != "exit")
        return [Event("closed", self.label, pts_us, sighting)]

    def _snapshot(self, presence: _Presence) -> Sighting:
        latest = presence.offset_latest_us
        return Sighting(
            label=self.label,
            onset_us=presence.onset_us,
            confirmed_us=presence.confirmed_us,
            offset_us=presence.offset_us,
            closed_us=presence.offset_us if presence.closed_us is None else presence.closed_us,
            onset_earliest_us=presence.onset_earliest_us,
            offset_latest_us=presence.offset_us if latest is None else latest,
            peak_us=presence.peak_us,
            peak_confidence=presence.peak_score,
            close_reason=None,
            censored_left=presence.censored_left,
            censored_right=False,
            alert_us=presence.alert_us,
        )


class Tracker:
    """Turns scores into sightings, sample by sample.

    rule: a Rule, or a Debounce for every label.
    every_s: seconds between samples; needed where the rule says `enter_s` or `exit_s`, and by
        which gaps are told: more than max(1 s, 5 * every_s) in which nothing was analysed.
    start_us: where the media begins, if that is before the first sample that was analysed
        (its first frames may have failed).

    Failed, gated and missing samples are not passed to `update`: they move no streak. Those that a
    gate held back are told by `held_back`: their time is no gap.
    """

    def __init__(
        self,
        rule: Rule | Debounce | None = None,
        *,
        every_s: float = 0.0,
        start_us: int | None = None,
    ) -> None:
        self._rule = Rule.coerce(rule)
        self._every_s = every_s
        self._start_us = start_us
        self._last_us: int | None = None
        self._gap_limit_us = gap_limit_us(round(every_s * 1e6))
        self._known_us: int | None = None
        self._has_gap = False
        self._labels: dict[str, LabelTracker] = {}

    def of(self, label: str) -> LabelTracker:
        """The state of a label; one without a sample yet is closed and has no streak."""
        if label not in self._labels:
            debounce = self._rule.of(label).debounce.resolved(self._every_s)
            self._labels[label] = LabelTracker(label, debounce)
        return self._labels[label]

    def present(self, label: str) -> Sighting | None:
        """The sighting of a label that was announced and is not over yet, as it is now."""
        return self._labels[label].present() if label in self._labels else None

    def state(self) -> dict[str, Any]:
        """All that the next sample is decided by, as JSON takes it; see `restore`."""
        labels = {name: label.state() for name, label in self._labels.items()}
        known = {"known_us": self._known_us, "has_gap": self._has_gap}
        return {"last_us": self._last_us, **known, "labels": labels}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where another tracker was when it gave its `state`, under the same rule."""
        self._last_us = state["last_us"]
        self._known_us, self._has_gap = state["known_us"], state["has_gap"]
        for name, kept in state["labels"].items():
            self.of(name).restore(kept)

    def held_back(self, pts_us: int) -> None:
        """A sample that a gate kept from the detector: it moves no streak, and is no gap."""
        if self._known_us is not None and pts_us - self._known_us > self._gap_limit_us:
            self._has_gap = True
        self._known_us = pts_us

    def update(self, pts_us: int, scores: Mapping[str, float]) -> list[Event]:
        """One analysed sample.

        scores: label to its highest confidence; a label that is left out has score 0.
        Returns what is announced: closed, then opened, then alerted, labels sorted.
        Raises ValueError if time does not rise or a score is not in [0, 1].
        """
        first = self._last_us is None
        if self._last_us is not None and pts_us <= self._last_us:
            raise ValueError(f"samples must rise in time, got {pts_us} after {self._last_us}")
        for label, score in scores.items():
            if math.isnan(score) or not 0 <= score <= 1:
                raise ValueError(f"the score of {label!r} must be in [0, 1], got {score}")
        if self._last_us is not None:
            before_us = self._last_us
        else:
            before_us = pts_us if self._start_us is None else min(self._start_us, pts_us)
        self.held_back(pts_us)
        after_gap, self._has_gap = self._has_gap and not first, False
        self._last_us = pts_us
        events: list[Event] = []
        for label in sorted(set(self._labels) | set(scores)):
            if self._rule.only is None or label in self._rule.only:
                score = float(scores.get(label, 0.0))
                events += self.of(label).update(pts_us, before_us, score, first, after_gap)
        return sorted(events, key=lambda event: _KIND_ORDER[event.kind])

    def finish(self, reason: FinishReason = "end", end_us: int | None = None) -> list[Event]:
        """No more samples: what is open closes with `reason`.

        end_us: where the media ends (the last sample, unless given).
        """
        if self._last_us is None:
            return []
        end = self._last_us if end_us is None else max(end_us, self._last_us)
        events: list[Event] = []
        for label in sorted(self._labels):
            events += self._labels[label].finish(self._last_us, end, reason)
        self._labels.clear()
        return events
