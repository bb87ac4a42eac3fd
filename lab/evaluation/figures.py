"""Ratios and their intervals, or the reason why the data does not define them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.evaluation.counts import Counts
from lab.evaluation.matching import TIOUS
from lab.evaluation.rates import (
    NO_ANNOTATION,
    NO_SIGHTING,
    NOTHING_COUNTED,
    Interval,
    f1_interval,
    proportion_interval,
    rate_interval,
    ratio,
    refused_rates,
)

NO_COVERAGE = (
    "no stretch was watched for it, so what was missed is not known; "
    "mark what you watched (one key marks the whole clip)"
)
ONLY_QUEUE = (
    "the only watched stretches are answers to the queue, which asks about the hardest cases: "
    "they do not represent the footage; watch stretches from end to end, or draw an audit"
)
ONLY_COPIED = (
    "all edges were accepted from sightings, so they agree with them by construction; "
    "annotate some independently"
)
_TIMES = {
    "onset_error": "onset_errors_us",
    "offset_error": "offset_errors_us",
    "delay": "delays_us",
}
NO_PAIR = "no sighting matches an annotation, so there are no edges to compare"
ALL_CUT = (
    "in every matched pair this edge is cut by an end of the clip or of a watched stretch, or was "
    "accepted from a sighting, so its error is not known"
)
NO_SEGMENT_FOUND = "no segment of 1 s contains a sighting"
NO_SEGMENT_TRUE = "no segment of 1 s contains an annotation"
NO_SEGMENT = "no segment of 1 s contains a sighting or an annotation"


@dataclass(frozen=True, eq=False)
class Figures:
    """Figures of a label, or of all labels together.

    A figure that is not defined is None; `refused` gives the reason.

    counts: what the figures are computed from.
    origins: how the coverage came about (see `lab.annotation.Coverage`).
    """

    counts: Counts
    origins: frozenset[str] = frozenset()

    @property
    def is_covered(self) -> bool:
        return self.counts.covered_us > 0

    @property
    def is_only_queue(self) -> bool:
        return bool(self.origins) and self.origins <= {"queue"}

    @property
    def precision(self) -> float | None:
        c = self.counts
        if self.is_covered:
            return ratio(c.tp, c.sightings)
        return None if self.is_only_queue else ratio(c.judged_true, c.judged_true + c.judged_false)

    @property
    def precision_interval(self) -> Interval | None:
        c = self.counts
        if self.is_covered:
            return proportion_interval(c.tp, c.sightings)
        if self.is_only_queue:
            return None
        return proportion_interval(c.judged_true, c.judged_true + c.judged_false)

    @property
    def recall(self) -> float | None:
        return ratio(self.counts.tp, self.counts.annotations) if self.is_covered else None

    @property
    def recall_interval(self) -> Interval | None:
        c = self.counts
        return proportion_interval(c.tp, c.annotations) if self.is_covered else None

    @property
    def f1(self) -> float | None:
        c = self.counts
        return ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn) if self.is_covered else None

    @property
    def f1_interval(self) -> Interval | None:
        c = self.counts
        return f1_interval(c.tp, c.fp, c.fn) if self.is_covered else None

    @property
    def f1_mean(self) -> float | None:
        """Mean of F1 at temporal IoU .50, .55, ... .95."""
        c = self.counts
        both = c.sightings + c.annotations
        return float(np.mean(2 * c.ladder / both)) if self.is_covered and both else None

    @property
    def covered_s(self) -> float:
        return self.counts.covered_us / 1e6

    @property
    def false_per_hour(self) -> float | None:
        return ratio(self.counts.fp, self.covered_s / 3600)

    @property
    def false_per_hour_interval(self) -> Interval | None:
        return rate_interval(self.counts.fp, self.covered_s / 3600)

    @property
    def refused(self) -> dict[str, str]:
        """Every figure that is null, and why; those of a group as `overlap.recall`."""
        c = self.counts
        if not self.is_covered:
            why = ONLY_QUEUE if self.is_only_queue else NO_COVERAGE
            return {name: why for name, value in self._values() if value is None}
        why_not = refused_rates(c.tp, c.fp, c.fn, self.covered_s / 3600) | {
            "f1_mean": NOTHING_COUNTED,
            **{f"{group}.precision": NO_SIGHTING for group in ("overlap", "clips")},
            **{f"{group}.recall": NO_ANNOTATION for group in ("overlap", "clips")},
            "segments.precision": NO_SEGMENT_FOUND,
            "segments.recall": NO_SEGMENT_TRUE,
            "segments.f1": NO_SEGMENT,
        }
        of_pairs = NO_PAIR if not c.tp else ALL_CUT if len(c.tious) else ONLY_COPIED
        return {
            name: why_not.get(name, of_pairs) for name, value in self._values() if value is None
        }

    def _values(self) -> Iterable[tuple[str, Any]]:
        """Every figure that may be null, by the name that `refused` gives it."""
        c = self.counts
        for name in ("precision", "recall", "f1", "f1_mean", "false_per_hour", "mean_tiou"):
            yield name, getattr(self, name)
        for name in ("onset_error", "offset_error", "delay"):
            yield name, len(getattr(c, _TIMES[name])) or None
        for group, row in self._groups().items():
            for name in ("precision", "recall", "f1"):
                if name in row:
                    yield f"{group}.{name}", row[name]

    @property
    def mean_tiou(self) -> float | None:
        """Mean temporal IoU of the pairs whose edges were not copied from a sighting."""
        return float(self.counts.tious.mean()) if len(self.counts.tious) else None

    def _groups(self) -> dict[str, dict[str, Any]]:
        """Figures by any overlap, by whole clips, and by segments of 1 s."""
        c = self.counts
        clip_found, clip_true = c.clip_tp + c.clip_fp, c.clip_tp + c.clip_fn
        return {
            "overlap": {
                "precision": ratio(c.touching, c.sightings),
                "precision_interval": _listed(proportion_interval(c.touching, c.sightings)),
                "recall": ratio(c.touched, c.annotations),
                "recall_interval": _listed(proportion_interval(c.touched, c.annotations)),
            },
            "clips": {
                "tp": c.clip_tp, "fp": c.clip_fp, "fn": c.clip_fn, "tn": c.clip_tn,
                "precision": ratio(c.clip_tp, clip_found),
                "precision_interval": _listed(proportion_interval(c.clip_tp, clip_found)),
                "recall": ratio(c.clip_tp, clip_true),
                "recall_interval": _listed(proportion_interval(c.clip_tp, clip_true)),
            },
            "segments": {
                "tp": c.segment_tp, "fp": c.segment_fp, "fn": c.segment_fn,
                "precision": ratio(c.segment_tp, c.segment_tp + c.segment_fp),
                "recall": ratio(c.segment_tp, c.segment_tp + c.segment_fn),
                "f1": ratio(2 * c.segment_tp, 2 * c.segment_tp + c.segment_fp + c.segment_fn),
            },
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """JSON values: counts, rates each with its `..._interval`, errors in seconds."""
        c = self.counts
        row: dict[str, Any] = {"tp": c.tp, "fp": c.fp, "fn": c.fn}
        for name in ("precision", "recall", "f1"):
            row[name] = getattr(self, name)
            row[f"{name}_interval"] = _listed(getattr(self, f"{name}_interval"))
        return row | {
            "f1_mean": self.f1_mean,
            "mean_tiou": self.mean_tiou,
            **{name: _errors(getattr(c, times)) for name, times in _TIMES.items()},
            "covered_s": self.covered_s,
            "false_per_hour": self.false_per_hour,
            "false_per_hour_interval": _listed(self.false_per_hour_interval),
            "below_resolution": c.below_resolution,
            "not_analysed": c.not_analysed,
            "uncovered": c.uncovered,
            "tp_by_tiou": {f"{t:.2f}": int(n) for t, n in zip(TIOUS, c.ladder, strict=True)},
            **self._groups(),
            "refused": self.refused,
        }

    def summary(self) -> dict[str, Any]:
        """Counts and rates alone, with the reasons for those that are null."""
        c, refused = self.counts, self.refused
        rates = {name: getattr(self, name) for name in ("precision", "recall", "f1")}
        return {
            "tp": c.tp, "fp": c.fp, "fn": c.fn, **rates, "covered_s": self.covered_s,
            "false_per_hour": self.false_per_hour,
            "refused": {n: refused[n] for n in (*rates, "false_per_hour") if n in refused},
        }  # fmt: skip


def macro(figures: Iterable[Figures]) -> dict[str, Any]:
    """Unweighted means over labels that have the figure; `..._labels` says how many those are."""
    each = list(figures)
    row: dict[str, Any] = {"labels": len(each)}
    refused: dict[str, str] = {}
    for name in ("precision", "recall", "f1", "f1_mean"):
        values = [v for f in each if (v := getattr(f, name)) is not None]
        row[name] = float(np.mean(values)) if values else None
        row[f"{name}_labels"] = len(values)
        if not values:
            why = dict.fromkeys(f.refused[name] for f in each)
            refused[name] = "; ".join(why) or "there is no label"
    return row | {"refused": refused}


def _errors(errors_us: np.ndarray) -> dict[str, Any]:
    """Spread of signed errors in seconds; `n` 0 and no values if there is nothing to compare."""
    if not len(errors_us):
        return {
            "n": 0,
            "mean_s": None,
            "median_s": None,
            "mean_abs_s": None,
            "p05_s": None,
            "p95_s": None,
        }
    seconds = errors_us / 1e6
    low, high = np.percentile(seconds, [5, 95])
    return {
        "n": len(seconds),
        "mean_s": float(seconds.mean()),
        "median_s": float(np.median(seconds)),
        "mean_abs_s": float(np.abs(seconds).mean()),
        "p05_s": float(low),
        "p95_s": float(high),
    }


def _listed(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [float(v) for v in interval]
