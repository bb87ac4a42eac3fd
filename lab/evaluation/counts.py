"""What is counted of one label in one media, adds up over media, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from lab.evaluation.matching import TIOUS, Matching, Presences, match
from lab.evaluation.truth import LabelTruth
from lab.score_log import spans

SEGMENT_US = 1_000_000
_NO_TIMES = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Counts:
    """Counts add up: over clips, and over labels. Ratios are made of them, never averaged.

    tp, fp, fn: sightings that stand for an annotation, that stand for none, and annotations
        without a sighting, inside covered stretches.
    below_resolution: annotations shorter than the sampling interval; they count as nothing, and
        neither do sightings that touch them alone. not_analysed: the same for annotations during
        which every sample failed.
    ladder: tp at temporal IoU .50, .55, ... .95.
    touching, touched: sightings that overlap an annotation, annotations that a sighting overlaps.
    clip_..., segment_...: of whole clips, and of segments of 1 s.
    covered_us: how long was watched for it and analysed. judged_true, judged_false: sightings
        whose truth is known without coverage, because somebody looked at just them.
    uncovered: annotations outside covered stretches. copied: annotations with edges of a sighting.
    tious: of the pairs. onset_errors_us, offset_errors_us: sighting minus annotation, 0 within the
        bracket, only where neither edge is cut or copied. delays_us: confirmed minus start.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    below_resolution: int = 0
    not_analysed: int = 0
    ladder: np.ndarray = field(default_factory=lambda: np.zeros(len(TIOUS), np.int64))
    touching: int = 0
    touched: int = 0
    clip_tp: int = 0
    clip_fp: int = 0
    clip_fn: int = 0
    clip_tn: int = 0
    segment_tp: int = 0
    segment_fp: int = 0
    segment_fn: int = 0
    covered_us: int = 0
    judged_true: int = 0
    judged_false: int = 0
    uncovered: int = 0
    copied: int = 0
    tious: np.ndarray = field(default_factory=lambda: np.zeros(0))
    onset_errors_us: np.ndarray = field(default_factory=lambda: _NO_TIMES)
    offset_errors_us: np.ndarray = field(default_factory=lambda: _NO_TIMES)
    delays_us: np.ndarray = field(default_factory=lambda: _NO_TIMES)

    def __add__(self, other: Counts) -> Counts:
        both: dict[str, Any] = {}
        for f in fields(self):
            one, two = getattr(self, f.name), getattr(other, f.name)
            joins = isinstance(one, np.ndarray) and f.name != "ladder"
            both[f.name] = np.concatenate([one, two]) if joins else one + two
        return Counts(**both)

    @property
    def sightings(self) -> int:
        """Those that count."""
        return self.tp + self.fp

    @property
    def annotations(self) -> int:
        """Those that count."""
        return self.tp + self.fn


def total(counts: list[Counts]) -> Counts:
    """Their sum, with arrays joined once."""
    if not counts:
        return Counts()
    both: dict[str, Any] = {}
    for f in fields(Counts):
        values = [getattr(c, f.name) for c in counts]
        joins = isinstance(values[0], np.ndarray) and f.name != "ladder"
        both[f.name] = np.concatenate(values) if joins else sum(values[1:], values[0])
    return Counts(**both)


@dataclass(frozen=True, eq=False)
class Pairing:
    """Segments of sightings and annotations inside covered stretches, and who stands for whom.

    edges: (n, 4). sighting: (n, 3), position of the sighting, whether cut left, cut right.
    truth: (m, 2). annotation: (m, 3), likewise. counted: (m,) False below the resolution.
    copied: (m,). match_of: (n,) annotation segment or -1. tious: (n,).
    """

    edges: np.ndarray
    sighting: np.ndarray
    truth: np.ndarray
    annotation: np.ndarray
    counted: np.ndarray
    analysed: np.ndarray
    copied: np.ndarray
    match_of: np.ndarray
    tious: np.ndarray

    def is_cut(self, presences: Presences, side: int) -> np.ndarray:
        """bool (n,): this edge of the sighting is the media's or the coverage's, not the label's."""
        return presences.censored[self.sighting[:, 0], side] | (self.sighting[:, 1 + side] > 0)


def resolvable(
    truth: np.ndarray, pts_us: np.ndarray, interval_us: int
) -> tuple[np.ndarray, np.ndarray]:
    """bool (m,) twice: long enough for the sampling, and with an analysed sample in it."""
    long_enough = truth[:, 1] - truth[:, 0] >= interval_us
    inside = np.searchsorted(pts_us, truth[:, 1], "right") - np.searchsorted(pts_us, truth[:, 0])
    return long_enough, inside > 0


def pair(
    presences: Presences,
    truth: LabelTruth,
    matching: Matching,
    *,
    pts_us: np.ndarray,
    interval_us: int,
    covered: np.ndarray,
) -> Pairing:
    """Cut both to what was covered, and match them.

    pts_us: times of the analysed samples. covered: int64 (k, 2).
    """
    from lab.evaluation import kernels

    edges, sighting = kernels.clip_edges(matching.taken(presences.edges), covered)
    present = np.ascontiguousarray(truth.present[:, [0, 0, 1, 1]])
    cut, annotation = kernels.clip_edges(present, covered)
    true_segments = np.ascontiguousarray(cut[:, [0, 3]])
    long_enough, analysed = resolvable(true_segments, pts_us, interval_us)
    counted = long_enough & analysed
    where = np.flatnonzero(counted)
    match_of, tious = match(edges, np.ascontiguousarray(true_segments[counted]), matching)
    match_of = np.where(match_of >= 0, where[match_of] if len(where) else -1, -1)
    return Pairing(
        edges, sighting, true_segments, annotation, counted, analysed | ~long_enough,
        truth.copied[annotation[:, 0]], match_of, tious,
    )  # fmt: skip


def count(
    presences: Presences,
    truth: LabelTruth,
    matching: Matching,
    *,
    pts_us: np.ndarray,
    interval_us: int,
    analysed: np.ndarray,
    start_us: int = 0,
) -> tuple[Counts, Pairing]:
    """One label in one media.

    analysed: int64 (k, 2), what the run analysed. start_us: where the media begins, for segments.
    """
    from lab.evaluation import kernels

    p = pair(
        presences, truth, matching, pts_us=pts_us, interval_us=interval_us, covered=truth.covered
    )
    matched = p.match_of >= 0
    tp, fn = int(matched.sum()), int(p.counted.sum() - matched.sum())
    counted_truth = np.ascontiguousarray(p.truth[p.counted])
    first, _, _ = kernels.candidates(p.edges, counted_truth, *matching.arguments)
    uncounted = kernels.uncounted(p.edges, p.truth, p.counted, first)
    sighting_hits, annotation_hits = kernels.touches(p.edges, counted_truth)
    is_covered = len(truth.covered) > 0
    has_truth, has_sighting = bool(p.counted.any()), bool((~uncounted).any())
    found_in, true_in = (
        segments(p.edges[~uncounted][:, 1:3], start_us),
        segments(p.truth[p.counted], start_us),
    )
    uncovered = len(truth.present) - len(np.unique(p.annotation[:, 0]))
    judged_true = judged_false = 0
    if not is_covered:
        accepted, _ = kernels.touches(presences.edges, truth.present)
        rejected, _ = kernels.touches(presences.edges, truth.rejected)
        judged_true, judged_false = (
            int((accepted > 0).sum()),
            int(((accepted == 0) & (rejected > 0)).sum()),
        )
    errors = _errors(p, presences)
    made = Counts(
        tp=tp,
        fp=len(p.edges) - tp - int(uncounted.sum()),
        fn=fn,
        below_resolution=int((~p.counted & p.analysed).sum()),
        not_analysed=int((~p.analysed).sum()),
        ladder=_ladder(p, matching),
        touching=int((sighting_hits > 0).sum()),
        touched=int((annotation_hits > 0).sum()),
        clip_tp=int(is_covered and has_truth and has_sighting),
        clip_fp=int(is_covered and has_sighting and not has_truth),
        clip_fn=int(is_covered and has_truth and not has_sighting),
        clip_tn=int(is_covered and not has_truth and not has_sighting),
        segment_tp=len(np.intersect1d(found_in, true_in, assume_unique=True)),
        segment_fp=len(np.setdiff1d(found_in, true_in, assume_unique=True)),
        segment_fn=len(np.setdiff1d(true_in, found_in, assume_unique=True)),
        covered_us=spans.total_us(spans.intersection(truth.covered, analysed)),
        judged_true=judged_true,
        judged_false=judged_false,
        uncovered=uncovered,
        copied=int((p.copied & p.counted).sum()),
        tious=p.tious[matched & ~p.copied[p.match_of]] if len(p.truth) else np.zeros(0),
        **errors,
    )
    return made, p


def onset_errors(edges: np.ndarray, start_us: np.ndarray) -> np.ndarray:
    """Sighting minus annotation, 0 within the bracket; negative is early. int64 (n,)."""
    return np.where(
        start_us > edges[:, 1], edges[:, 1] - start_us, np.maximum(0, edges[:, 0] - start_us)
    )


def offset_errors(edges: np.ndarray, end_us: np.ndarray) -> np.ndarray:
    """Sighting minus annotation, 0 within the bracket; negative is too soon. int64 (n,)."""
    return np.where(end_us > edges[:, 3], edges[:, 3] - end_us, np.maximum(0, edges[:, 2] - end_us))


def _errors(p: Pairing, presences: Presences) -> dict[str, np.ndarray]:
    rows = np.flatnonzero(p.match_of >= 0)
    matches = p.match_of[rows]
    own = ~p.copied[matches]
    left = own & ~p.is_cut(presences, 0)[rows] & (p.annotation[matches, 1] == 0)
    right = own & ~p.is_cut(presences, 1)[rows] & (p.annotation[matches, 2] == 0)
    edges, truth = p.edges[rows], p.truth[matches]
    confirmed = presences.confirmed_us[p.sighting[rows, 0]]
    return {
        "onset_errors_us": onset_errors(edges, truth[:, 0])[left],
        "offset_errors_us": offset_errors(edges, truth[:, 1])[right],
        "delays_us": (confirmed - truth[:, 0])[left],
    }


def _ladder(p: Pairing, matching: Matching) -> np.ndarray:
    """tp at each of TIOUS; candidates of the lowest serve for all."""
    from lab.evaluation import kernels

    truth = np.ascontiguousarray(p.truth[p.counted])
    first, which, ratio = kernels.candidates(p.edges, truth, 0, TIOUS[0], 0, 0.0)
    left = np.repeat(np.arange(len(p.edges)), np.diff(first))
    out = np.zeros(len(TIOUS), np.int64)
    for i, tiou in enumerate(TIOUS):
        keep = ratio >= tiou
        starts = np.concatenate([[0], np.cumsum(np.bincount(left[keep], minlength=len(p.edges)))])
        match_of, _ = kernels.largest_matching(starts.astype(np.int64), which[keep], len(truth))
        out[i] = int((match_of >= 0).sum())
    return out


def segments(presence: np.ndarray, start_us: int) -> np.ndarray:
    """The 1 s segments in which it was there: int64 (k,), numbers from `start_us` on, sorted.

    From the floor of the onset to the ceiling of the offset, as sed_eval takes them (Mesaros et
    al., Applied Sciences 6 (2016) 162): an instant exactly on a whole second lies in none.
    """
    if not len(presence):
        return _NO_TIMES
    first = (presence[:, 0] - start_us) // SEGMENT_US
    size = -((start_us - presence[:, 1]) // SEGMENT_US) - first
    steps = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    return np.unique(np.repeat(first, size) + steps)
