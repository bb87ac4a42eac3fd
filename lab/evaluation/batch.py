"""Counting a label in many clips at once: the clips are laid one after the other on one axis.

Between them lies more time than any criterion reaches over, so that nothing of one clip can match
anything of another, and every kernel is called once. `lab.evaluation.counts.count` is the same for
one clip, and what this is tested against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lab.evaluation.counts import (
    SEGMENT_US,
    Counts,
    Pairing,
    offset_errors,
    onset_errors,
    resolvable,
    segments,
)
from lab.evaluation.matching import TIOUS, Matching, Presences, match
from lab.evaluation.truth import LabelTruth
from lab.score_log import spans

_SLACK_US = 2 * SEGMENT_US


@dataclass(frozen=True, eq=False)
class Clip:
    """What is counted of one label in one clip; see `lab.evaluation.counts.count`.

    pts_us: times of the samples that have a score. analysed: the stretches that they stand for.
    """

    presences: Presences
    truth: LabelTruth
    pts_us: np.ndarray
    interval_us: int
    analysed: np.ndarray
    start_us: int


class CountedClips:
    """One label in many clips.

    counts: of each of `clips`, in their order. `pairing(i)` gives the matches in one of them.
    """

    def __init__(self, clips: Sequence[Clip], matching: Matching) -> None:
        self.clips = clips
        self._axis = _Axis(clips, matching) if clips else None
        self.counts: list[Counts] = [] if self._axis is None else self._axis.counts()

    def pairing(self, i: int) -> Pairing:
        """The segments of one clip, and which of them match. Raises IndexError."""
        if self._axis is None:
            raise IndexError("there is no clip")
        return self._axis.pairing(i)


class _Axis:
    """The clips on one axis. Arrays over segments carry the number of their clip beside them."""

    def __init__(self, clips: Sequence[Clip], matching: Matching) -> None:
        self.clips, self.matching, self.n = clips, matching, len(clips)
        limits = np.array([_limits(c) for c in clips], np.int64)
        self.begins, lengths = limits[:, 0], limits[:, 1] - limits[:, 0]
        # As far as a collar reaches: a share of the longest annotation, which no clip exceeds.
        reach = round(matching.collar_s * 1e6 + max(1.0, matching.collar_share) * lengths.max())
        self.places = np.cumsum(np.append(0, lengths[:-1] + 2 * reach + _SLACK_US))
        self.shifts = self.places - self.begins
        self.present, self.present_clip = self._rows(lambda c: c.truth.present)
        self.covered, self.covered_clip = self._rows(lambda c: c.truth.covered)
        self.edges, self.edges_clip = self._rows(lambda c: c.presences.edges)
        self._pair()

    def _rows(self, of):  # type: ignore[no-untyped-def]
        """Times of all clips on the axis, and the clip of each row."""
        rows = [of(c) for c in self.clips]
        clip = np.repeat(np.arange(self.n), [len(r) for r in rows])
        joined = np.concatenate(rows)
        shift = self.shifts[clip]
        return np.ascontiguousarray(joined + (shift if joined.ndim == 1 else shift[:, None])), clip

    def _columns(self, of):  # type: ignore[no-untyped-def]
        return np.concatenate([of(c) for c in self.clips])

    def _pair(self) -> None:
        """As `lab.evaluation.counts.pair`."""
        from lab.evaluation import kernels

        matching = self.matching
        cut, source = kernels.clip_edges(matching.taken(self.edges), self.covered)
        present = np.ascontiguousarray(self.present[:, [0, 0, 1, 1]])
        cut_truth, annotation = kernels.clip_edges(present, self.covered)
        truth = np.ascontiguousarray(cut_truth[:, [0, 3]])
        self.truth_clip = self.present_clip[annotation[:, 0]]
        pts_us, _ = self._rows(lambda c: c.pts_us)
        interval_us = np.array([c.interval_us for c in self.clips], np.int64)
        long_enough, analysed = resolvable(truth, pts_us, interval_us[self.truth_clip])
        counted = long_enough & analysed
        where = np.flatnonzero(counted)
        match_of, self.tious = match(cut, np.ascontiguousarray(truth[counted]), matching)
        self.match_of = np.where(match_of >= 0, where[match_of] if len(where) else -1, -1)
        self.cut, self.source, self.cut_clip = cut, source, self.edges_clip[source[:, 0]]
        self.truth, self.annotation, self.counted = truth, annotation, counted
        self.analysed = analysed | ~long_enough
        copied = self._columns(lambda c: c.truth.copied)
        self.copied = copied[annotation[:, 0]]
        self.counted_truth = np.ascontiguousarray(truth[counted])

    @cached_property
    def uncounted(self) -> np.ndarray:
        """bool: sightings that count as nothing."""
        from lab.evaluation import kernels

        first, _, _ = kernels.candidates(self.cut, self.counted_truth, *self.matching.arguments)
        return np.asarray(kernels.uncounted(self.cut, self.truth, self.counted, first))

    def _each(self, clip: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        """How many rows each clip has, of those that count."""
        return np.bincount(clip if which is None else clip[which], minlength=self.n)

    def counts(self) -> list[Counts]:
        """The counts of each clip."""
        columns = {**self._matched(), **self._whole(), **self._by_segment(), **self._judged()}
        ladder, arrays = self._ladder(), self._arrays()
        names, values = list(columns), np.stack(list(columns.values()), axis=1).tolist()
        out = []
        for i, row in enumerate(values):
            of_clip: dict[str, Any] = dict(zip(names, row, strict=True))
            of_clip |= {name: parts[i] for name, parts in arrays.items()}
            out.append(Counts(ladder=ladder[i], **of_clip))
        return out

    def pairing(self, i: int) -> Pairing:
        """The segments of one clip, in its own time and positions."""
        cut = slice(*np.searchsorted(self.cut_clip, [i, i + 1]))
        true = slice(*np.searchsorted(self.truth_clip, [i, i + 1]))
        first_edge = np.searchsorted(self.edges_clip, i)
        first_present = np.searchsorted(self.present_clip, i)
        match_of = self.match_of[cut]
        return Pairing(
            edges=self.cut[cut] - self.shifts[i],
            sighting=self.source[cut] - np.array([first_edge, 0, 0]),
            truth=self.truth[true] - self.shifts[i],
            annotation=self.annotation[true] - np.array([first_present, 0, 0]),
            counted=self.counted[true],
            analysed=self.analysed[true],
            copied=self.copied[true],
            match_of=np.where(match_of >= 0, match_of - true.start, -1),
            tious=self.tious[cut],
        )

    def _matched(self) -> dict[str, np.ndarray]:
        from lab.evaluation import kernels

        tp = self._each(self.cut_clip, self.match_of >= 0)
        seen, found = kernels.touches(self.cut, self.counted_truth)
        return {
            "tp": tp,
            "fp": self._each(self.cut_clip) - tp - self._each(self.cut_clip, self.uncounted),
            "fn": self._each(self.truth_clip, self.counted) - tp,
            "below_resolution": self._each(self.truth_clip, ~self.counted & self.analysed),
            "not_analysed": self._each(self.truth_clip, ~self.analysed),
            "touching": self._each(self.cut_clip, seen > 0),
            "touched": self._each(self.truth_clip[self.counted], found > 0),
            "copied": self._each(self.truth_clip, self.copied & self.counted),
        }

    def _whole(self) -> dict[str, np.ndarray]:
        """Whole clips, and what was watched."""
        is_covered = self._each(self.covered_clip) > 0
        has_truth = self._each(self.truth_clip, self.counted) > 0
        has_sighting = self._each(self.cut_clip, ~self.uncounted) > 0
        analysed, _ = self._rows(lambda c: c.analysed)
        both = spans.intersection(self.covered, analysed)
        clip = np.searchsorted(self.places, both[:, 0], "right") - 1
        covered_us = np.zeros(self.n, np.int64)
        np.add.at(covered_us, clip, both[:, 1] - both[:, 0])
        inside = np.unique(self.annotation[:, 0])
        return {
            "clip_tp": (is_covered & has_truth & has_sighting).astype(int),
            "clip_fp": (is_covered & has_sighting & ~has_truth).astype(int),
            "clip_fn": (is_covered & has_truth & ~has_sighting).astype(int),
            "clip_tn": (is_covered & ~has_truth & ~has_sighting).astype(int),
            "covered_us": covered_us,
            "uncovered": self._each(self.present_clip) - self._each(self.present_clip[inside]),
        }

    def _by_segment(self) -> dict[str, np.ndarray]:
        """The 1 s segments: each clip's are counted from its own beginning."""
        start_us = np.array([c.start_us for c in self.clips], np.int64)
        # Whole seconds on the axis, so that a clip's segments keep their limits.
        first = (self.begins - start_us) // SEGMENT_US
        size = (np.diff(np.append(self.places, self.places[-1])) // SEGMENT_US) + 2
        base = np.cumsum(np.append(0, size[:-1])) - first

        def numbers(rows: np.ndarray, clip: np.ndarray) -> np.ndarray:
            own = rows - (self.shifts + start_us - base * SEGMENT_US)[clip][:, None]
            return segments(own, 0)

        found_in = numbers(self.cut[~self.uncounted][:, 1:3], self.cut_clip[~self.uncounted])
        true_in = numbers(self.counted_truth, self.truth_clip[self.counted])
        starts = base + first

        def each(segment: np.ndarray) -> np.ndarray:
            return self._each(np.searchsorted(starts, segment, "right") - 1)

        return {
            "segment_tp": each(np.intersect1d(found_in, true_in, assume_unique=True)),
            "segment_fp": each(np.setdiff1d(found_in, true_in, assume_unique=True)),
            "segment_fn": each(np.setdiff1d(true_in, found_in, assume_unique=True)),
        }

    def _judged(self) -> dict[str, np.ndarray]:
        """Verdicts on sightings, where nothing was watched."""
        from lab.evaluation import kernels

        rejected, _ = self._rows(lambda c: c.truth.rejected)
        accepts, _ = kernels.touches(self.edges, self.present)
        rejects, _ = kernels.touches(self.edges, rejected)
        alone = (self._each(self.covered_clip) == 0)[self.edges_clip]
        return {
            "judged_true": self._each(self.edges_clip, alone & (accepts > 0)),
            "judged_false": self._each(self.edges_clip, alone & (accepts == 0) & (rejects > 0)),
        }

    def _ladder(self) -> np.ndarray:
        """int64 (clips, len(TIOUS)): tp at each; candidates of the lowest serve for all."""
        from lab.evaluation import kernels

        truth = self.counted_truth
        first, which, ratio = kernels.candidates(self.cut, truth, 0, TIOUS[0], 0, 0.0)
        left = np.repeat(np.arange(len(self.cut)), np.diff(first))
        out = np.zeros((self.n, len(TIOUS)), np.int64)
        for i, tiou in enumerate(TIOUS):
            keep = ratio >= tiou
            size = np.bincount(left[keep], minlength=len(self.cut))
            starts = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
            match_of, _ = kernels.largest_matching(starts, which[keep], len(truth))
            out[:, i] = self._each(self.cut_clip, match_of >= 0)
        return out

    def _arrays(self) -> dict[str, list[np.ndarray]]:
        """IoUs and errors of the matches, clip by clip."""
        rows = np.flatnonzero(self.match_of >= 0)
        matches, clip = self.match_of[rows], self.cut_clip[rows]
        own = ~self.copied[matches]
        censored = self._columns(lambda c: c.presences.censored)[self.source[rows, 0]]
        cut = censored | (self.source[rows, 1:] > 0)
        left = own & ~cut[:, 0] & (self.annotation[matches, 1] == 0)
        right = own & ~cut[:, 1] & (self.annotation[matches, 2] == 0)
        edges, truth = self.cut[rows], self.truth[matches]
        confirmed, _ = self._rows(lambda c: c.presences.confirmed_us)
        delays = confirmed[self.source[rows, 0]] - truth[:, 0]
        return {
            "tious": self._split(self.tious[rows], clip, own),
            "onset_errors_us": self._split(onset_errors(edges, truth[:, 0]), clip, left),
            "offset_errors_us": self._split(offset_errors(edges, truth[:, 1]), clip, right),
            "delays_us": self._split(delays, clip, left),
        }

    def _split(self, values: np.ndarray, clip: np.ndarray, keep: np.ndarray) -> list[np.ndarray]:
        ends = np.cumsum(self._each(clip, keep))
        return np.split(values[keep], ends[:-1])


def _limits(c: Clip) -> tuple[int, int]:
    """The outermost times of a clip."""
    rows = (c.presences.edges, c.truth.present, c.truth.covered, c.truth.rejected, c.analysed)
    # All are in order of time; brackets of neighbours may reach over each other.
    first = [int(one[:2].min()) for one in rows if len(one)]
    last = [int(one[-2:].max()) for one in rows if len(one)]
    samples = [int(c.pts_us[0]), int(c.pts_us[-1])] if len(c.pts_us) else []
    return min([c.start_us, *first, *samples]), max([c.start_us, *last, *samples])
