"""The trace as a list of decisions, each with the smallest change that would have turned it.

A change is of one setting, and it is tried: it is only named if a replay with it decides otherwise.
That takes far longer than finding the decisions, so it is done for those that are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, overload

import numpy as np

from lab.media_time import media_time
from lab.rules.replay import CLOSED_BY_GAP, OPEN_AT_END, replay_rows, rows_around
from lab.rules.rule import Debounce, Rule
from lab.rules.series import ScoreSeries
from lab.rules.wording import setting_in_words
from lab.score_log.spans import true_runs

Why = tuple[str, str | None, float | None]  # reason, setting, value
Kind = Literal["opened", "not_opened", "closed", "merged", "dropped", "alerted", "silenced"]
_ANNOUNCED: Why = ("announced to sinks", None, None)
_COUNTED_FROM = {"start": "the last alert", "end": "the end of the last alerted sighting"}


@dataclass(frozen=True)
class Decision:
    """What a rule decided at `pts_us`, why, and what would have turned it.

    setting, value: the smallest change; None if no change of a single setting would turn it.
    """

    kind: Kind
    pts_us: int
    start_us: int
    end_us: int
    reason: str
    setting: str | None
    value: float | None

    def to_dict(self) -> dict[str, Any]:
        turned = None
        if self.setting is not None:
            turned = setting_in_words(self.setting, self.value, exact=True)
        return {
            "pts_s": self.pts_us / 1e6,
            "kind": self.kind,
            "start_s": self.start_us / 1e6,
            "end_s": self.end_us / 1e6,
            "reason": self.reason,
            "turned_by": turned,
            "setting": self.setting,
            "value": self.value,
        }


@dataclass(frozen=True, eq=False)
class _Found:
    """A decision whose reason is not yet known. Positions are of scored samples.

    explain: the reason, and the setting and value that would have turned it.
    """

    kind: Kind
    at: int
    start: int
    end: int
    explain: Callable[[], Why]


class Decisions(Sequence[Decision]):
    """Decisions in order of time; each gets its reason when it is taken out."""

    def __init__(self, pts_us: np.ndarray, found: list[_Found]) -> None:
        self._pts_us = pts_us
        self._found = sorted(found, key=lambda f: (f.at, f.start))

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, which: int) -> Decision: ...
    @overload
    def __getitem__(self, which: slice) -> list[Decision]: ...
    def __getitem__(self, which: int | slice) -> Decision | list[Decision]:
        if isinstance(which, slice):
            return [self._explained(f) for f in self._found[which]]
        return self._explained(self._found[which])

    def _explained(self, f: _Found) -> Decision:
        at_us, start_us, end_us = (int(self._pts_us[i]) for i in (f.at, f.start, f.end))
        return Decision(f.kind, at_us, start_us, end_us, *f.explain())


def decisions(series: ScoreSeries, debounce: Debounce) -> Decisions:
    """The decisions of a rule over one label, in order of time.

    Raises SettingError for a threshold below the run's score floor.
    """
    Rule.coerce(debounce).check_floor(series.score_floor)
    trial = _Trial(series, series.gaps_for(debounce))
    if not len(trial.pts):
        return Decisions(trial.pts, [])
    counts = series.resolve(debounce)
    return Decisions(trial.pts, [*trial.not_opened(counts), *trial.of_sightings(counts)])


class _Trial:
    """Scores of one label, and rules tried on them."""

    def __init__(self, series: ScoreSeries, gaps: np.ndarray) -> None:
        self.gaps = gaps
        self.pts, self.scores, self.floor = series.pts_us, series.scores, series.score_floor

    def rows(self, debounce: Debounce) -> np.ndarray:
        rows, n = replay_rows(self.pts, self.scores, debounce, self.gaps)
        return rows[:n]

    def overlapping(self, debounce: Debounce, a: int, b: int) -> int:
        """How many sightings overlap samples a to b."""
        rows = rows_around(self.pts, self.scores, debounce, a, b, self.gaps)
        return int(((rows[:, 0] <= b) & (rows[:, 2] >= a)).sum())

    def smallest(
        self, debounce: Debounce, changes: Iterator[tuple[str, float]], turned: Any
    ) -> tuple[str | None, float | None]:
        """The change nearest to the present value, relative to it, for which `turned` holds."""
        best: tuple[float, str | None, float | None] = (np.inf, None, None)
        for name, value in changes:
            now = float(getattr(debounce, name))
            distance = abs(value - now) / max(abs(now), abs(value), 1e-9)
            if distance < best[0] and turned(_with(debounce, name, value)):
                best = (distance, name, value)
        return best[1], best[2]

    def not_opened(self, d: Debounce) -> Iterator[_Found]:
        """Stretches near the threshold in which no sighting opened."""
        bare = _with(_with(d, "min_duration_s", 0.0), "merge_gap_s", 0.0)
        inside = np.zeros(len(self.pts), bool)
        for onset, _, offset, closed, *_ in self.rows(bare).tolist():
            inside[onset : closed + 1] = True
            inside[offset] = True
        near = ~inside & (self.scores >= max(self.floor, 0.5 * d.enter_threshold))
        for a, b in _stretches(near, d.exit_frames):
            at = a + int(self.scores[a : b + 1].argmax())
            yield _Found("not_opened", at, a, b, partial(self._why_not_opened, d, a, b))

    def _why_not_opened(self, d: Debounce, a: int, b: int) -> Why:
        part = self.scores[a : b + 1]
        over = part >= d.enter_threshold
        peak = float(part.max())
        if not over.any():
            missed = d.enter_threshold - peak
            reason = f"highest score {peak:.3f}, missed “Enter at” by {missed:.3f}"
        else:
            run = max((y - x + 1 for x, y in true_runs(over)), default=0)
            reason = f"at most {run} over in a row, {d.enter_frames} of {d.enter_window} needed"
        opens = lambda r: self.overlapping(r, a, b) > 0  # noqa: E731
        return reason, *self.smallest(d, self._openers(d, part), opens)

    def _openers(self, d: Debounce, part: np.ndarray) -> Iterator[tuple[str, float]]:
        """Changes that could open a sighting over a stretch."""
        part = part.astype(np.float64)
        if len(part) >= d.enter_frames:
            windows = np.lib.stride_tricks.sliding_window_view(part, min(d.enter_window, len(part)))
            # The k-th highest of each window is what the threshold would have to be.
            kth = np.sort(windows, axis=1)[:, -min(d.enter_frames, windows.shape[1])]
            value = float(kth.max())
            if value >= self.floor and value > 0:
                yield "enter_threshold", _down(value)
        over = part >= d.enter_threshold
        for needed in range(d.enter_frames - 1, 0, -1):
            if any(y - x + 1 >= needed for x, y in true_runs(over)):
                yield "enter_frames", needed
                break
        total = int(over.sum())
        if total >= d.enter_frames:
            at = np.flatnonzero(over)
            yield (
                "enter_window",
                int(min(at[d.enter_frames - 1 :] - at[: len(at) - d.enter_frames + 1]) + 1),
            )

    def of_sightings(self, d: Debounce) -> Iterator[_Found]:
        bare = _with(_with(d, "min_duration_s", 0.0), "merge_gap_s", 0.0)
        joined = self.rows(_with(d, "min_duration_s", 0.0))
        rows = self.rows(d)
        kept = set(rows[:, 0].tolist())
        segments = self.rows(bare)
        wholes = joined[np.searchsorted(joined[:, 0], segments[:, 0], "right") - 1]
        for i, (segment, whole) in enumerate(zip(segments, wholes, strict=True)):
            onset, confirmed, offset, closed = (int(v) for v in segment[:4])
            if int(whole[0]) != onset:
                start = int(segments[i - 1][0])
                why = partial(self._why_merged, d, segments[i - 1], segment)
                yield _Found("merged", confirmed, start, offset, why)
            else:
                why = partial(self._why_opened, d, onset, confirmed, offset)
                yield _Found("opened", confirmed, onset, offset, why)
            last = int(whole[2]) == offset
            if last and int(whole[0]) not in kept:
                why = partial(self._why_dropped, d, whole)
                yield _Found("dropped", int(whole[3]), int(whole[0]), int(whole[2]), why)
            elif segment[6] & CLOSED_BY_GAP and last:
                why = partial(self._why_broken_off, closed)
                yield _Found("closed", closed, onset, offset, why)
            elif not segment[6] & OPEN_AT_END and last:
                why = partial(self._why_closed, d, segments, i)
                yield _Found("closed", closed, onset, offset, why)
        yield from self._alerts(d, rows)

    def _why_opened(self, d: Debounce, onset: int, confirmed: int, offset: int) -> Why:
        count, begin = confirmed - onset + 1, media_time(self.pts[onset])
        reason = f"{d.enter_frames} over within {count} samples from {begin}"
        part = self.scores[onset : offset + 1].astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(part, min(d.enter_window, len(part)))
        kth = np.sort(windows, axis=1)[:, -min(d.enter_frames, windows.shape[1])]
        changes: list[tuple[str, float]] = []
        if kth.max() < 1:
            changes.append(("enter_threshold", _up(float(kth.max()))))
        longest = max((y - x + 1 for x, y in true_runs(part >= d.enter_threshold)), default=0)
        changes.append(("enter_frames", longest + 1))

        def stays_closed(r: Debounce) -> bool:
            bare = _with(_with(r, "min_duration_s", 0.0), "merge_gap_s", 0.0)
            return self.overlapping(bare, onset, offset) == 0

        return reason, *self.smallest(d, iter(changes), stays_closed)

    def _why_closed(self, d: Debounce, segments: np.ndarray, i: int) -> Why:
        onset, _, offset, closed = (int(v) for v in segments[i][:4])
        reason = f"{d.exit_frames} under in a row after {media_time(self.pts[offset])}"
        changes: list[tuple[str, float]] = [("exit_frames", d.exit_frames + 1)]
        after = self.scores[offset + 1 : closed + 1].astype(np.float64)
        if len(after) and (highest := float(after.max())) >= max(self.floor, 1e-9):
            changes.append(("exit_threshold", _down(highest)))
        if i + 1 < len(segments):
            next_onset = int(segments[i + 1][0])
            changes.append(("merge_gap_s", float(self.pts[next_onset] - self.pts[offset]) / 1e6))
            changes.append(("exit_frames", int(next_onset - offset)))

        def lasts(r: Debounce) -> bool:
            rows = rows_around(self.pts, self.scores, r, onset, offset, self.gaps)
            rows = rows[(rows[:, 0] <= onset) & (rows[:, 2] >= offset)]
            return bool(len(rows)) and bool(rows[0][2] > offset or rows[0][6] & OPEN_AT_END)

        return reason, *self.smallest(d, iter(changes), lasts)

    def _why_broken_off(self, closed: int) -> Why:
        gap_s = float(self.pts[closed + 1] - self.pts[closed]) / 1e6
        return f"nothing was analysed for {gap_s:.2f} s: a gap closes it", None, None

    def _why_merged(self, d: Debounce, before: np.ndarray, segment: np.ndarray) -> Why:
        gap_s = float(self.pts[segment[0]] - self.pts[before[2]]) / 1e6
        reason = f"begins {gap_s:.2f} s after the one before, within the merge gap: continues it"
        value = max(0.0, gap_s - 0.01)
        turned = lambda r: self.overlapping(r, int(before[0]), int(segment[2])) > 1  # noqa: E731
        return reason, *self.smallest(d, iter([("merge_gap_s", value)]), turned)

    def _why_dropped(self, d: Debounce, row: np.ndarray) -> Why:
        lasted = float(self.pts[row[2]] - self.pts[row[0]]) / 1e6
        reason = f"lasts {lasted:.2f} s, not “At least” {d.min_duration_s:g} s"
        turned = lambda r: self.overlapping(r, int(row[0]), int(row[2])) > 0  # noqa: E731
        return reason, *self.smallest(d, iter([("min_duration_s", lasted)]), turned)

    def _alerts(self, d: Debounce, rows: np.ndarray) -> Iterator[_Found]:
        alerted = rows[rows[:, 5] >= 0]
        for row in rows.tolist():
            onset, confirmed, offset, alert = row[0], row[1], row[2], row[5]
            if alert >= 0:
                yield _Found("alerted", alert, onset, offset, lambda: _ANNOUNCED)
            elif d.cooldown_s:
                # Alerts rise with their sightings.
                earlier = alerted[: np.searchsorted(alerted[:, 5], confirmed)]
                why = partial(self._why_silenced, d, confirmed, earlier)
                yield _Found("silenced", confirmed, onset, offset, why)

    def _why_silenced(self, d: Debounce, confirmed: int, earlier: np.ndarray) -> Why:
        reason = (
            f"less than the cooldown of {d.cooldown_s:g} s since {_COUNTED_FROM[d.cooldown_from]}"
        )
        if not len(earlier):
            return reason, None, None
        since = earlier[-1][2] if d.cooldown_from == "end" else earlier[-1][5]
        value = float(self.pts[confirmed] - self.pts[since]) / 1e6
        return reason, "cooldown_s" if value > 0 else None, value


def _with(debounce: Debounce, name: str, value: float) -> Debounce:
    if name.endswith(("_frames", "_window")):
        value = int(value)
    changes: dict[str, Any] = {name: value}
    if name == "exit_threshold" and value > debounce.enter_threshold:
        changes["exit_threshold"] = debounce.enter_threshold
    if name == "enter_threshold" and value < debounce.exit_threshold:
        changes["exit_threshold"] = value
    if name == "enter_frames" and value > debounce.enter_window:
        changes["enter_window"] = value
    return debounce.changed(**changes)


def _down(value: float) -> float:
    """A threshold that people can type, at or below a score."""
    return max(1e-4, np.floor(value * 1e4) / 1e4)


def _up(value: float) -> float:
    return float(min(1.0, np.floor(value * 1e4 + 1) / 1e4))


def _stretches(mask: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """Runs of True, joined over at most `gap` samples."""
    out: list[tuple[int, int]] = []
    for a, b in true_runs(mask):
        if out and a - out[-1][1] <= gap:
            out[-1] = (out[-1][0], b)
        else:
            out.append((a, b))
    return out
