"""Sightings at falling thresholds, matched as they grow, compiled by numba. See `lab.tuning.curve`.

Samples over the threshold form stretches, which grow and join. What of a stretch lies in one
covered stretch is a segment; it is matched when it appears and released when it grows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from lab.evaluation.kernels import first_ending_from, fits, meets
from lab.evaluation.matching import Matching

if TYPE_CHECKING:
    from lab.tuning.footage import Footage

_jit = njit(cache=True, nogil=True)
_EDGES = {"bracket": 0, "observed": 1, "held": 2}


def count_changes(
    clip: Footage, scores: np.ndarray, matching: Matching
) -> tuple[np.ndarray, np.ndarray]:
    """Scores above 0 that occur, falling, and what tp and fp change by as the threshold gets there.

    Returns float64 (k,) and int64 (k, 2).
    """
    first, last = min(clip.start_us, clip.pts_us[0]), max(clip.end_us, clip.pts_us[-1])
    around_us = np.concatenate([[first], clip.pts_us, [last]])
    positive = np.flatnonzero(scores > 0)
    order = positive[np.argsort(-scores[positive], kind="stable")]
    values, tp, fp = _counts_at_each_score(
        around_us,
        scores.astype(np.float64),
        order,
        clip.covered,
        np.ascontiguousarray(clip.present),
        clip.counted,
        _EDGES[matching.edges],
        *matching.arguments,
    )
    return values, np.stack([np.diff(tp, prepend=0), np.diff(fp, prepend=0)], axis=1)


@_jit
def _root(parent, i):  # type: ignore[no-untyped-def]
    """The sample that stands for a stretch (union of neighbours, with path halving)."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@_jit
def _edge(around_us, a, b, convention):  # type: ignore[no-untyped-def]
    """Edges of the stretch of samples a to b, by the matching's convention."""
    out = np.empty(4, np.int64)
    out[1], out[2] = around_us[a + 1], around_us[b + 1]
    out[0] = around_us[a] if convention == 0 else out[1]
    out[3] = out[2] if convention == 1 else around_us[b + 2]
    if convention == 2:
        out[2] = out[3]
    return out


@_jit
def _candidates(edge, present, counted, reach, which, used, mode, tiou, collar_us, share):  # type: ignore[no-untyped-def]
    """Append the annotations that a segment may stand for to `which` (grown where it is full).

    Returns `which`, how much of it is used, and whether the segment counts (see
    `lab.evaluation.kernels.uncounted`).
    """
    begun, touches_counted, touches_uncounted = used, False, False
    j = first_ending_from(present, edge[0] - reach)
    while j < len(present) and present[j, 0] <= edge[3] + reach:
        touching = meets(edge, present[j, 0], present[j, 1])
        if not counted[j]:
            touches_uncounted = touches_uncounted or touching
            j += 1
            continue
        touches_counted = touches_counted or touching
        ok, _ = fits(edge, present[j, 0], present[j, 1], mode, tiou, collar_us, share)
        if ok:
            if used == len(which):
                larger = np.empty(2 * used, np.int64)
                larger[:used] = which
                which = larger
            which[used] = j
            used += 1
        j += 1
    return which, used, used > begun or touches_counted or not touches_uncounted


@_jit
def _augment(segment, first, count, which, match_of, matched_by, visited, stamp, stack, at, took):  # type: ignore[no-untyped-def]
    """One augmenting path from a segment; whether there is one."""
    depth = 0
    stack[0] = segment
    at[0] = 0
    while depth >= 0:
        i = stack[depth]
        if at[depth] == count[i]:
            depth -= 1
            continue
        k = which[first[i] + at[depth]]
        at[depth] += 1
        if visited[k] == stamp:
            continue
        visited[k] = stamp
        took[depth] = k
        if matched_by[k] < 0:
            for d in range(depth, -1, -1):
                match_of[stack[d]] = took[d]
                matched_by[took[d]] = stack[d]
            return True
        depth += 1
        stack[depth] = matched_by[k]
        at[depth] = 0
    return False


@_jit
def _reach_us(present, mode, collar_us, share):  # type: ignore[no-untyped-def]
    """How far from an annotation a segment may lie and still stand for it."""
    if mode == 0:
        return 0
    longest = 0
    for j in range(len(present)):
        longest = max(longest, present[j, 1] - present[j, 0])
    return max(collar_us, int(share * longest) + 1)


@_jit
def _counts_at_each_score(  # type: ignore[no-untyped-def]
    around_us, scores, order, covered, present, counted, convention, mode, tiou, collar_us, share
):
    """After each distinct score: the score, tp and fp."""
    n, m, total = len(order), len(present), len(scores)
    reach = _reach_us(present, mode, collar_us, share)
    # Stretches of samples, as a union of neighbours; -1 is a sample not over yet.
    parent = np.full(total, -1, np.int64)
    low, high = np.arange(total), np.arange(total)
    head = np.full(total, -1, np.int64)  # a stretch's first segment
    capacity = n + len(covered) + 1
    after = np.full(capacity, -1, np.int64)  # the next segment of the stretch
    counts = np.zeros(capacity, np.int64)  # 1, or 0 if the segment counts as nothing
    # The candidates of a segment in `which`: the first, and how many.
    first, count = np.zeros(capacity, np.int64), np.zeros(capacity, np.int64)
    match_of = np.full(capacity, -1, np.int64)
    place = np.full(capacity, -1, np.int64)  # in `active`, the segments with candidates
    active = np.empty(capacity, np.int64)
    free = np.arange(capacity)
    frees, actives, used = capacity, 0, 0
    which = np.empty(4 * m + 64, np.int64)
    matched_by, visited = np.full(m, -1, np.int64), np.full(m, -1, np.int64)
    stack, at = np.empty(m + 2, np.int64), np.empty(m + 2, np.int64)
    took = np.empty(m + 2, np.int64)
    values, tps, fps = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
    tp = alive = distinct = stamp = i = 0
    while i < n:
        value, begun, changed = scores[order[i]], i, False
        # Samples that are over from here on: their neighbours' stretches end as they join.
        while i < n and scores[order[i]] == value:
            p = order[i]
            i += 1
            parent[p] = p
            for q in (p - 1, p + 1):
                if q < 0 or q >= total or parent[q] < 0:
                    continue
                old = _root(parent, q)
                segment = head[old]
                while segment >= 0:
                    alive -= counts[segment]
                    if match_of[segment] >= 0:
                        matched_by[match_of[segment]] = -1
                        match_of[segment] = -1
                        tp -= 1
                    if place[segment] >= 0:
                        actives -= 1
                        active[place[segment]] = active[actives]
                        place[active[actives]] = place[segment]
                        place[segment] = -1
                        changed = True
                    free[frees] = segment
                    frees += 1
                    segment = after[segment]
                head[old] = -1
                own = _root(parent, p)
                parent[own] = old
                low[old], high[old] = min(low[old], low[own]), max(high[old], high[own])
        # The segments of the stretches that these samples are now in.
        for t in range(begun, i):
            root = _root(parent, order[t])
            if head[root] >= 0:
                continue
            whole = _edge(around_us, low[root], high[root], convention)
            c = first_ending_from(covered, whole[1])
            while c < len(covered) and covered[c, 0] <= whole[2]:
                edge = np.minimum(np.maximum(whole, covered[c, 0]), covered[c, 1])
                c += 1
                frees -= 1
                segment = free[frees]
                after[segment], head[root] = head[root], segment
                first[segment] = used
                which, used, does_count = _candidates(
                    edge, present, counted, reach, which, used, mode, tiou, collar_us, share
                )
                count[segment] = used - first[segment]
                counts[segment] = 1 if does_count else 0
                alive += counts[segment]
                if count[segment] > 0:
                    place[segment] = actives
                    active[actives] = segment
                    actives += 1
                    changed = True
        if changed:
            for a in range(actives):
                if match_of[active[a]] < 0:
                    stamp += 1
                    if _augment(
                        active[a], first, count, which, match_of, matched_by, visited, stamp,
                        stack, at, took,
                    ):  # fmt: skip
                        tp += 1
        values[distinct] = value
        tps[distinct] = tp
        fps[distinct] = alive - tp
        distinct += 1
    return values[:distinct], tps[:distinct], fps[:distinct]
