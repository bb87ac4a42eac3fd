"""Whether what a feed sees has left the footage on which its rule was tuned.

Each figure of the picture is taken as its median of each minute, and of these the median of the
last 5. It has drifted when that was outside of the reference's 1 to 99 % range, widened by a
margin, for 10 minutes: something that passes by is no drift. Scores are compared as distributions,
by Kolmogorov and Smirnov's distance. That nothing comes is no drift: a positive control tells that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.feeds.drift_kinds import DriftKind
from lab.feeds.drift_reference import (
    MEASURED,
    SCORE_BUCKET_US,
    DriftReference,
    hour_of,
)
from lab.feeds.picture_figures import (
    EDGES_SIZE,
    PictureFigures,
    agreement,
    picture_figures,
    shift_of,
)

_LEAST_SCORES, _MOST_SCORES = 30, 200
_LEAST_DISTANCE = 0.35
# One in a hundred thousand, for they are compared each minute: sqrt(-ln(1e-5 / 2) / 2).
_OF_CHANCE = 2.47
_LEAST_SHIFT = 0.015
_GREY = 2.0
_Range = tuple[float, float]


@dataclass(frozen=True)
class Finding:
    """One way in which a feed has left its reference.

    since: Unix seconds (of the samples). value: of the figure now. reference_range: its 1 to 99 %
    range in the footage that it is compared with, near this hour of day where that was seen. label:
    whose scores they are.
    """

    kind: DriftKind
    since: float
    text: str
    value: float
    reference_range: tuple[float, float]
    label: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "reference_range": list(self.reference_range)}


@dataclass
class _Minute:
    number: int
    wall_time: float
    values: list[tuple[float, ...]] = field(default_factory=list)
    edges: np.ndarray = field(default_factory=lambda: np.zeros(EDGES_SIZE[::-1], np.float32))


class DriftWatch:
    """Is shown the samples of a feed, in order; a millisecond or so each.

    minute_s: the length of a minute. smoothed: the median is of so many. lasting: a figure must
    have been outside for so many.
    """

    def __init__(
        self,
        reference: DriftReference,
        *,
        minute_s: float = 60.0,
        smoothed: int = 5,
        lasting: int = 10,
    ) -> None:
        self._reference = reference
        self._minute_us, self._lasting = round(minute_s * 1e6), lasting
        self._now: _Minute | None = None
        self._recent: deque[tuple[float, ...]] = deque(maxlen=smoothed)
        self._edges: deque[np.ndarray] = deque(maxlen=smoothed)
        self._ranges: dict[tuple[str, int], tuple[_Range, _Range]] = {}
        self._outside: dict[str, tuple[int, float]] = {}
        self._found: dict[str, Finding] = {}
        self._scores: dict[str, deque[tuple[int, int, float]]] = {}

    def take(
        self,
        pts_us: int,
        wall_time: float,
        picture: np.ndarray | PictureFigures,
        scores: Mapping[str, float],
    ) -> None:
        """One analysed sample.

        wall_time: Unix seconds. picture: uint8 BGR, shape (height, width, 3), or its figures.
        scores: label to its highest confidence.
        """
        figures = picture if isinstance(picture, PictureFigures) else picture_figures(picture)
        number = pts_us // self._minute_us
        if self._now is not None and number != self._now.number:
            self._end_minute(self._now)
            self._now = None
        if self._now is None:
            self._now = _Minute(number, wall_time)
        on_place = agreement(figures.edges, self._reference.edges)
        self._now.values.append((*figures.values(), on_place))
        self._now.edges += figures.edges
        self._take_scores(pts_us, hour_of(wall_time), scores)

    def findings(self) -> list[Finding]:
        """What has drifted, the longest first; not what only follows from a dark picture."""
        found = sorted(self._found.values(), key=lambda finding: finding.since)
        dark = self._found.get("brightness")
        if dark is None or dark.value > dark.reference_range[0]:
            return found
        return [one for one in found if not _is_of_the_dark(one)]

    def _end_minute(self, minute: _Minute) -> None:
        self._recent.append(tuple(np.median(minute.values, axis=0).tolist()))
        self._edges.append(minute.edges / len(minute.values))
        if len(self._recent) < min(self._recent.maxlen or 1, self._lasting):
            return
        hour = hour_of(minute.wall_time)
        values = np.median(self._recent, axis=0).tolist()
        for figure, value in zip(MEASURED, values, strict=True):
            _, (low, high) = self._range(figure, hour)
            is_outside = value < low or (value > high and figure != "agreement")
            self._note(figure, value, hour, is_outside, minute)
        self._compare_scores(minute.wall_time)

    def _range(self, figure: str, hour: int) -> tuple[_Range, _Range]:
        """The range of a figure and its limits, computed once for each hour of day."""
        known = self._ranges.get((figure, hour))
        if known is None:
            reference = self._reference
            known = reference.range_of(figure, hour), reference.limits_of(figure, hour)
            self._ranges[figure, hour] = known
        return known

    def _note(
        self, figure: str, value: float, hour: int, is_outside: bool, minute: _Minute
    ) -> None:
        if not is_outside:
            self._outside.pop(figure, None)
            self._found.pop(figure, None)
            return
        began, since = self._outside.setdefault(figure, (minute.number, minute.wall_time))
        minutes = minute.number - began + 1
        if minutes < self._lasting:
            return
        between, _ = self._range(figure, hour)
        minutes_s = minutes * self._minute_us / 1e6
        words = f"for {_duration(minutes_s)}, {self._then(hour)} {_between(figure, between)}"
        if figure == "agreement":
            finding = self._moved(value, since, words, between)
        else:
            change = _CHANGES[figure][value > between[1]]
            text = f"{change}: {_NAMES[figure]} {_said(figure, value)} {words}"
            finding = Finding(figure, since, text, value, between)  # type: ignore[arg-type]
        self._found[figure] = finding

    def _then(self, hour: int) -> str:
        """Where the range is from that is told beside a figure."""
        if not self._reference.is_tuned:
            return "in its first day"
        if self._reference.has_hour(hour):
            return "where its rule was tuned"
        return f"where its rule was tuned (none of it near {hour:02d}:00 UTC)"

    def _moved(
        self, value: float, since: float, words: str, between: tuple[float, float]
    ) -> Finding:
        edges = np.median(self._edges, axis=0).astype(np.float32)
        right, down = shift_of(edges, self._reference.edges)
        back = np.roll(
            edges,
            (-round(down * EDGES_SIZE[1]), -round(right * EDGES_SIZE[0])),
            axis=(0, 1),
        )
        is_clear = agreement(back, self._reference.edges) > value + 0.1
        what = "the camera was turned, or something is before it"
        if is_clear and max(abs(right), abs(down)) >= _LEAST_SHIFT:
            what = f"the camera moved, what it sees is now {_moved_words(right, down)}"
        text = f"{what}: the outlines of the scene match by {value:.0%} {words}"
        return Finding("moved", since, text, value, between)

    def _take_scores(self, pts_us: int, hour: int, scores: Mapping[str, float]) -> None:
        """The highest of each 10 s in which there was one."""
        bucket = pts_us // SCORE_BUCKET_US
        for label, score in scores.items():
            known = self._scores.setdefault(label, deque(maxlen=_MOST_SCORES))
            if known and known[-1][0] == bucket:
                score = max(score, known.pop()[2])
            known.append((bucket, hour, score))

    def _compare_scores(self, wall_time: float) -> None:
        """Those of this hour of day and the one before, with those of hours near it: by night a
        label scores otherwise than by day, and night falls at another hour some weeks later.
        """
        hour = hour_of(wall_time)
        for label in self._reference.scores:
            known = self._scores.get(label, ())
            recent = np.sort([s for _, at, s in known if at in (hour, (hour - 1) % 24)])
            then = self._reference.scores_near(label, hour)
            then = [one for one in then if len(one) >= _LEAST_SCORES]
            if len(recent) < _LEAST_SCORES or not then:
                continue
            reference = min(then, key=lambda one: _distance(recent, one))
            key, distance = f"scores {label}", _distance(recent, reference)
            chance = _OF_CHANCE * np.sqrt(1 / len(recent) + 1 / len(reference))
            if distance <= max(_LEAST_DISTANCE, chance):
                self._found.pop(key, None)
                continue
            since = self._found[key].since if key in self._found else wall_time
            now, before = float(np.median(recent)), float(np.median(reference))
            low, high = np.percentile(reference, [1, 99])
            text = (
                f"scores of {label} are {'lower' if now < before else 'higher'}: median {now:.2f} "
                f"where it was seen last ({len(recent)} times 10 s), {self._then(hour)} "
                f"{before:.2f}, {low:.2f} to {high:.2f} (distributions {distance:.2f} apart)"
            )
            self._found[key] = Finding("scores", since, text, now, (float(low), float(high)), label)


def _is_of_the_dark(finding: Finding) -> bool:
    is_low = finding.value < finding.reference_range[0]
    if finding.kind == "colour":  # infrared has none at all
        return is_low and finding.value > _GREY
    return is_low and finding.kind in ("contrast", "sharpness")


# What it is that a figure below, and one above its range says.
_CHANGES = {
    "brightness": ("the picture is darker", "the picture is brighter"),
    "contrast": ("the picture is flat, as in fog", "the picture has hard contrasts"),
    "sharpness": (
        "the picture is blurred, as by dew, dirt or a lost focus",
        "the picture is sharper or noisier",
    ),
    "colour": ("the picture has lost its colour, as by infrared", "the picture has more colour"),
}
_NAMES = {
    "brightness": "mean brightness (of 255)",
    "contrast": "contrast",
    "sharpness": "sharpness",
    "colour": "colour",
}


def _said(figure: str, value: float) -> str:
    return f"{value:.0%}" if figure == "agreement" else f"{value:.3g}"


def _between(figure: str, between: tuple[float, float]) -> str:
    return f"{_said(figure, between[0])} to {_said(figure, between[1])}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _moved_words(right: float, down: float) -> str:
    parts = []
    if abs(right) >= _LEAST_SHIFT:
        parts.append(f"{abs(right):.0%} of its width to the {'right' if right > 0 else 'left'}")
    if abs(down) >= _LEAST_SHIFT:
        parts.append(f"{abs(down):.0%} of its height {'lower' if down > 0 else 'higher'}")
    return " and ".join(parts)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """The largest distance of two distribution functions. one, other: rising."""
    at = np.concatenate([one, other])
    of_one = np.searchsorted(one, at, "right") / len(one)
    of_other = np.searchsorted(other, at, "right") / len(other)
    return float(np.abs(of_one - of_other).max())
