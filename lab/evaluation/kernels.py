"""The inner loops of matching, compiled by numba; shared by `evaluate` and the sweep.

Sightings here are rows of four edges in microseconds, (onset_earliest, onset, offset,
offset_latest), sorted; truth is rows (start, end), sorted and disjoint.
"""

from __future__ import annotations

import numpy as np
from numba import njit

TIOU, COLLAR = 0, 1
_jit = njit(cache=True, nogil=True)


@_jit
def first_ending_from(spans, at_us):  # type: ignore[no-untyped-def]
    """The first of sorted disjoint spans that ends at a time or later."""
    low, high = 0, len(spans)
    while low < high:
        middle = (low + high) // 2
        if spans[middle, 1] < at_us:
            low = middle + 1
        else:
            high = middle
    return low


@_jit
def count_begun(spans, at_us):  # type: ignore[no-untyped-def]
    """How many of sorted disjoint spans begin at a time or earlier."""
    low, high = 0, len(spans)
    while low < high:
        middle = (low + high) // 2
        if spans[middle, 0] <= at_us:
            low = middle + 1
        else:
            high = middle
    return low


@_jit
def clip_edges(edges, covered):  # type: ignore[no-untyped-def]
    """The segments of sightings inside covered stretches, and where each comes from.

    Returns int64 (k, 4), their edges, and int64 (k, 3): the position of the sighting, and 1 where
    the segment is cut at its left and at its right end, else 0.
    """
    n, k = len(edges), len(covered)
    out = np.empty((n + k, 4), np.int64)
    source = np.empty((n + k, 3), np.int64)
    count = j = 0
    for i in range(n):
        while j < k and covered[j, 1] < edges[i, 1]:
            j += 1
        m = j
        while m < k and covered[m, 0] <= edges[i, 2]:
            if count == len(out):
                break
            low, high = covered[m, 0], covered[m, 1]
            for e in range(4):
                out[count, e] = min(max(edges[i, e], low), high)
            source[count, 0] = i
            source[count, 1] = 1 if edges[i, 1] < low else 0
            source[count, 2] = 1 if edges[i, 2] > high else 0
            count += 1
            m += 1
    return out[:count], source[:count]


@_jit
def nearest_edges(edge, start, end):  # type: ignore[no-untyped-def]
    """Within the brackets, the presence that comes closest to the annotation."""
    s = min(max(start, edge[0]), edge[1])
    e = min(max(end, edge[2]), edge[3])
    return s, e


@_jit
def meets(edge, start, end):  # type: ignore[no-untyped-def]
    """Whether a presence touches an annotation: they share time, or one is a moment in it."""
    s, e = nearest_edges(edge, start, end)
    both = min(e, end) - max(s, start)
    return both > 0 or (both == 0 and (s == e or start == end))


@_jit
def fits(edge, start, end, mode, tiou, collar_us, share):  # type: ignore[no-untyped-def]
    """Whether a sighting may stand for an annotation, and their temporal IoU."""
    s, e = nearest_edges(edge, start, end)
    both = min(e, end) - max(s, start)
    joined = max(e, end) - min(s, start)
    if both < 0:
        ratio = 0.0
    elif joined == 0:
        ratio = 1.0
    else:
        ratio = both / joined
    if mode == TIOU:
        return both >= 0 and ratio >= tiou and (both > 0 or joined == 0), ratio
    # A thousandth of a microsecond makes up for floating point: 0.29 x 100 s is less than 29 s.
    reach = max(float(collar_us), share * (end - start) + 1e-3)
    return abs(s - start) <= collar_us and abs(e - end) <= reach, ratio


@_jit
def candidates(edges, truth, mode, tiou, collar_us, share):  # type: ignore[no-untyped-def]
    """Pairs that fit, as compressed rows: first (n + 1,), truth positions, IoUs."""
    n, m = len(edges), len(truth)
    first = np.zeros(n + 1, np.int64)
    size = 2 * (n + m) + 8
    which = np.empty(size, np.int64)
    ratio = np.empty(size, np.float64)
    longest = 0
    for j in range(m):
        longest = max(longest, truth[j, 1] - truth[j, 0])
    count = j = 0
    around = 0 if mode == TIOU else max(collar_us, int(share * longest) + 1)
    for i in range(n):
        while j < m and truth[j, 1] < edges[i, 0] - around:
            j += 1
        k = j
        while k < m and truth[k, 0] <= edges[i, 3] + around:
            ok, value = fits(edges[i], truth[k, 0], truth[k, 1], mode, tiou, collar_us, share)
            if ok:
                if count == size:
                    size *= 2
                    larger = np.empty(size, np.int64)
                    larger[:count] = which
                    which = larger
                    values = np.empty(size, np.float64)
                    values[:count] = ratio
                    ratio = values
                which[count] = k
                ratio[count] = value
                count += 1
            k += 1
        first[i + 1] = count
    return first, which[:count], ratio[:count]


@_jit
def largest_matching(first, which, m):  # type: ignore[no-untyped-def]
    """Kuhn's augmenting paths: for each left node its match or -1, as many as possible."""
    n = len(first) - 1
    left = np.full(n, -1, np.int64)
    right = np.full(m, -1, np.int64)
    for i in range(n):
        for e in range(first[i], first[i + 1]):
            if right[which[e]] < 0:
                left[i] = which[e]
                right[which[e]] = i
                break
    visited = np.full(m, -1, np.int64)
    stack = np.empty(n + 1, np.int64)
    at = np.empty(n + 1, np.int64)
    took = np.empty(n + 1, np.int64)
    for root in range(n):
        if left[root] >= 0 or first[root] == first[root + 1]:
            continue
        depth = 0
        stack[0] = root
        at[0] = first[root]
        while depth >= 0:
            i = stack[depth]
            if at[depth] == first[i + 1]:
                depth -= 1
                continue
            k = which[at[depth]]
            at[depth] += 1
            if visited[k] == root:
                continue
            visited[k] = root
            took[depth] = k
            if right[k] < 0:
                for d in range(depth, -1, -1):
                    left[stack[d]] = took[d]
                    right[took[d]] = stack[d]
                break
            depth += 1
            stack[depth] = right[k]
            at[depth] = first[right[k]]
    return left, right


@_jit
def touching_pairs(edges, truth):  # type: ignore[no-untyped-def]
    """Sightings and annotations that touch: int64 (k, 2), positions, in order."""
    n, m = len(edges), len(truth)
    out = np.empty((n + m + 8, 2), np.int64)
    count = j = 0
    for i in range(n):
        while j < m and truth[j, 1] < edges[i, 0]:
            j += 1
        k = j
        while k < m and truth[k, 0] <= edges[i, 3]:
            if meets(edges[i], truth[k, 0], truth[k, 1]):
                if count == len(out):
                    larger = np.empty((2 * count, 2), np.int64)
                    larger[:count] = out
                    out = larger
                out[count, 0] = i
                out[count, 1] = k
                count += 1
            k += 1
    return out[:count]


@_jit
def touches(edges, truth):  # type: ignore[no-untyped-def]
    """For each sighting, how many annotations it touches; and the other way round."""
    sighting_hits = np.zeros(len(edges), np.int64)
    annotation_hits = np.zeros(len(truth), np.int64)
    pairs = touching_pairs(edges, truth)
    for p in range(len(pairs)):
        sighting_hits[pairs[p, 0]] += 1
        annotation_hits[pairs[p, 1]] += 1
    return sighting_hits, annotation_hits


@_jit
def uncounted(edges, truth, counted, first):  # type: ignore[no-untyped-def]
    """bool (n,): sightings that count as nothing, as the annotations do that they touch.

    counted: bool (m,), False for annotations below the resolution of the samples. first: as of
    `candidates` with those that count. A sighting that touches one that counts, or that could
    stand for one, is counted: otherwise the figures would depend on which of several equally
    large matchings is taken.
    """
    out = np.zeros(len(edges), np.bool_)
    pairs = touching_pairs(edges, truth)
    for p in range(len(pairs)):
        if not counted[pairs[p, 1]]:
            out[pairs[p, 0]] = first[pairs[p, 0]] == first[pairs[p, 0] + 1]
    for p in range(len(pairs)):
        if counted[pairs[p, 1]]:
            out[pairs[p, 0]] = False
    return out


@_jit
def count_matches(edges, truth, counted, mode, tiou, collar_us, share):  # type: ignore[no-untyped-def]
    """tp, fp, fn over segments of sightings, inside covered stretches.

    counted: bool (m,), False for annotations below the resolution of the samples.
    """
    counted_truth = truth[counted]
    first, which, _ = candidates(edges, counted_truth, mode, tiou, collar_us, share)
    match_of, _ = largest_matching(first, which, len(counted_truth))
    tp = (match_of >= 0).sum()
    fp = len(edges) - tp
    if len(counted_truth) < len(truth):
        fp -= uncounted(edges, truth, counted, first).sum()
    return tp, fp, len(counted_truth) - tp


@_jit
def chain(edges, gap_us, min_us):  # type: ignore[no-untyped-def]
    """Merge what begins within the gap after the one before it, then drop what is too short."""
    n = len(edges)
    out = np.empty((n, 4), np.int64)
    count = 0
    i = 0
    while i < n:
        j = i
        while j + 1 < n and edges[j + 1, 1] - edges[j, 2] <= gap_us:
            j += 1
        if edges[j, 2] - edges[i, 1] >= min_us:
            out[count, 0] = edges[i, 0]
            out[count, 1] = edges[i, 1]
            out[count, 2] = edges[j, 2]
            out[count, 3] = edges[j, 3]
            count += 1
        i = j + 1
    return out[:count]


@_jit
def count_grid(edges, gaps_us, mins_us, covered, truth, counted, mode, tiou, collar_us, share):  # type: ignore[no-untyped-def]
    """Counts for every merge gap and minimum duration over one replay: (gaps, minima, 3)."""
    out = np.empty((len(gaps_us), len(mins_us), 3), np.int64)
    for g in range(len(gaps_us)):
        for d in range(len(mins_us)):
            kept = chain(edges, gaps_us[g], mins_us[d])
            segments, _ = clip_edges(kept, covered)
            tp, fp, fn = count_matches(segments, truth, counted, mode, tiou, collar_us, share)
            out[g, d, 0] = tp
            out[g, d, 1] = fp
            out[g, d, 2] = fn
    return out
