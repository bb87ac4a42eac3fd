"""The trace as a list of decisions, each with the smallest change that would have turned it.

A change is of one setting, and it is tried: it is only named if a replay with it decides otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lab.rules.replay import replay_rows
from lab.rules.rule import Debounce, Rule
from lab.rules.series import ScoreSeries
from lab.score_log.spans import true_runs

Kind = Literal["opened", "not_opened", "closed", "merged", "dropped", "alerted", "silenced"]


@dataclass(frozen=True)
class Decision:
    """What a rule decided at `pts_us`, why, and what would have turned it.

    setting, value: the smallest change, None if no change of one setting would have done.
    """

    kind: Kind
    pts_us: int
    start_us: int
    end_us: int
    reason: str
    setting: str | None
    value: float | None

    def to_dict(self) -> dict[str, Any]:
        turned = None if self.setting is None else f"{self.setting} = {self.value:g}"
        return {
            "pts_s": self.pts_us / 1e6, "kind": self.kind, "start_s": self.start_us / 1e6,
            "end_s": self.end_us / 1e6, "reason": self.reason, "turned_by": turned,
            "setting": self.setting, "value": self.value,
        }  # fmt: skip


def decisions(series: ScoreSeries, debounce: Debounce) -> list[Decision]:
    """The decisions of a rule over one label, in order of time.

    Raises SettingError for a threshold below the run's score floor.
    """
    Rule.coerce(debounce).check_floor(series.score_floor)
    trial = _Trial(series)
    if not len(trial.pts):
        return []
    counts = series.resolve(debounce)
    found = [*trial.not_opened(counts), *trial.of_sightings(counts)]
    return sorted(found, key=lambda d: (d.pts_us, d.start_us))


class _Trial:
    """Scores of one label, and rules tried on them."""

    def __init__(self, series: ScoreSeries) -> None:
        self.pts, self.scores, self.floor = series.pts_us, series.scores, series.score_floor

    def rows(self, debounce: Debounce) -> np.ndarray:
        rows, n = replay_rows(self.pts, self.scores, debounce)
        return rows[:n]

    def seen(self, debounce: Debounce, a: int, b: int) -> int:
        """How many sightings overlap samples a to b."""
        rows = self.rows(debounce)
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

    def not_opened(self, d: Debounce) -> Iterator[Decision]:
        """Stretches near the threshold in which no sighting opened."""
        bare = _with(_with(d, "min_duration_s", 0.0), "merge_gap_s", 0.0)
        inside = np.zeros(len(self.pts), bool)
        for onset, _, offset, closed, *_ in self.rows(bare).tolist():
            inside[onset : closed + 1] = True
            inside[offset] = True
        near = ~inside & (self.scores >= max(self.floor, 0.5 * d.enter_threshold))
        for a, b in _stretches(near, d.exit_frames):
            part = self.scores[a : b + 1]
            over = part >= d.enter_threshold
            peak = float(part.max())
            if not over.any():
                reason = f"highest score {peak:.3f}, below enter_threshold by {d.enter_threshold - peak:.3f}"
            else:
                run = max((y - x + 1 for x, y in true_runs(over)), default=0)
                reason = f"at most {run} over in a row, {d.enter_frames} of {d.enter_window} needed"
            setting, value = self.smallest(
                d, self._openers(d, part), lambda r, a=a, b=b: self.seen(r, a, b) > 0
            )
            at = a + int(part.argmax())
            yield self._decision("not_opened", at, a, b, reason, setting, value)

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

    def of_sightings(self, d: Debounce) -> Iterator[Decision]:
        bare = _with(_with(d, "min_duration_s", 0.0), "merge_gap_s", 0.0)
        joined = self.rows(_with(d, "min_duration_s", 0.0))
        kept = {int(r[0]): r for r in self.rows(d)}
        pieces = self.rows(bare)
        for i, piece in enumerate(pieces):
            onset, confirmed, offset, closed = (int(v) for v in piece[:4])
            whole = joined[(joined[:, 0] <= onset) & (joined[:, 2] >= offset)][0]
            if int(whole[0]) != onset:
                yield self._merged(d, pieces[i - 1], piece)
            else:
                yield self._opened(d, onset, confirmed, offset)
            last = int(whole[2]) == offset
            if last and int(whole[0]) not in kept:
                yield self._dropped(d, whole)
            elif not piece[6] and last:
                yield self._closed(d, pieces, i, onset, offset, closed)
        for row in kept.values():
            yield from self._alert(d, row)

    def _opened(self, d: Debounce, onset: int, confirmed: int, offset: int) -> Decision:
        count = confirmed - onset + 1
        reason = f"{d.enter_frames} over within {count} samples from {self.pts[onset] / 1e6:.2f} s"
        part = self.scores[onset : offset + 1].astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(part, min(d.enter_window, len(part)))
        kth = np.sort(windows, axis=1)[:, -min(d.enter_frames, windows.shape[1])]
        changes: list[tuple[str, float]] = []
        if kth.max() < 1:
            changes.append(("enter_threshold", _up(float(kth.max()))))
        longest = max((y - x + 1 for x, y in true_runs(part >= d.enter_threshold)), default=0)
        changes.append(("enter_frames", longest + 1))
        setting, value = self.smallest(
            d,
            iter(changes),
            lambda r: (
                self.seen(_with(_with(r, "min_duration_s", 0.0), "merge_gap_s", 0.0), onset, offset)
                == 0
            ),
        )
        return self._decision("opened", confirmed, onset, offset, reason, setting, value)

    def _closed(
        self, d: Debounce, pieces: np.ndarray, i: int, onset: int, offset: int, closed: int
    ) -> Decision:
        reason = f"{d.exit_frames} under in a row after {self.pts[offset] / 1e6:.2f} s"
        changes: list[tuple[str, float]] = [("exit_frames", d.exit_frames + 1)]
        after = self.scores[offset + 1 : closed + 1].astype(np.float64)
        if len(after) and (highest := float(after.max())) >= max(self.floor, 1e-9):
            changes.append(("exit_threshold", _down(highest)))
        if i + 1 < len(pieces):
            nxt = int(pieces[i + 1][0])
            changes.append(("merge_gap_s", float(self.pts[nxt] - self.pts[offset]) / 1e6))
            changes.append(("exit_frames", int(nxt - offset)))

        def lasts(r: Debounce) -> bool:
            rows = self.rows(r)
            rows = rows[(rows[:, 0] <= onset) & (rows[:, 2] >= offset)]
            return bool(len(rows)) and bool(rows[0][2] > offset or rows[0][6])

        setting, value = self.smallest(d, iter(changes), lasts)
        return self._decision("closed", closed, onset, offset, reason, setting, value)

    def _merged(self, d: Debounce, before: np.ndarray, piece: np.ndarray) -> Decision:
        gap_s = float(self.pts[piece[0]] - self.pts[before[2]]) / 1e6
        reason = f"begins {gap_s:.2f} s after the one before it, within merge_gap_s: it goes on"
        value = max(0.0, gap_s - 0.01)
        turned = lambda r: self.seen(r, int(before[0]), int(piece[2])) > 1  # noqa: E731
        setting, value_ = self.smallest(d, iter([("merge_gap_s", value)]), turned)
        return self._decision(
            "merged", int(piece[1]), int(before[0]), int(piece[2]), reason, setting, value_
        )

    def _dropped(self, d: Debounce, row: np.ndarray) -> Decision:
        lasted = float(self.pts[row[2]] - self.pts[row[0]]) / 1e6
        reason = f"lasts {lasted:.2f} s, less than min_duration_s {d.min_duration_s:g}"
        turned = lambda r: self.seen(r, int(row[0]), int(row[2])) > 0  # noqa: E731
        setting, value = self.smallest(d, iter([("min_duration_s", lasted)]), turned)
        return self._decision(
            "dropped", int(row[3]), int(row[0]), int(row[2]), reason, setting, value
        )

    def _alert(self, d: Debounce, row: np.ndarray) -> Iterator[Decision]:
        onset, confirmed, offset, alert = int(row[0]), int(row[1]), int(row[2]), int(row[5])
        if alert >= 0:
            yield self._decision("alerted", alert, onset, offset, "announced to sinks", None, None)
        elif d.cooldown_s:
            reason = f"announced less than {d.cooldown_s:g} s ago (cooldown from {d.cooldown_from})"
            earlier = [r for r in self.rows(d) if int(r[5]) >= 0 and int(r[5]) < confirmed]
            setting = value = None
            if earlier:
                since = earlier[-1][2] if d.cooldown_from == "end" else earlier[-1][5]
                value = float(self.pts[confirmed] - self.pts[since]) / 1e6
                setting = "cooldown_s" if value > 0 else None
            yield self._decision("silenced", confirmed, onset, offset, reason, setting, value)

    def _decision(
        self,
        kind: Kind,
        at: int,
        a: int,
        b: int,
        reason: str,
        setting: str | None,
        value: float | None,
    ) -> Decision:
        return Decision(
            kind, int(self.pts[at]), int(self.pts[a]), int(self.pts[b]), reason, setting, value
        )


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
