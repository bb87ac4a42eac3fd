"""The tree of sightings over falling thresholds, compiled by numba. See `lab.tuning.curve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from lab.evaluation.kernels import fits, nearest_edges
from lab.evaluation.matching import Matching

if TYPE_CHECKING:
    from lab.tuning.footage import Footage

_jit = njit(cache=True, nogil=True)
_HELD = {"bracket": 0, "observed": 1, "held": 2}


def clip_changes(
    clip: Footage, scores: np.ndarray, matching: Matching
) -> tuple[np.ndarray, np.ndarray]:
    """Scores above 0 that occur, falling, and what tp and fp change by as the threshold gets there.

    Returns float64 (k,) and int64 (k, 2).
    """
    first, last = min(clip.start_us, clip.pts_us[0]), max(clip.end_us, clip.pts_us[-1])
    around = np.concatenate([[first], clip.pts_us, [last]])
    seen = np.flatnonzero(scores > 0)
    order = seen[np.argsort(-scores[seen], kind="stable")]
    values, tp, fp = _grow(
        around,
        scores.astype(np.float64),
        order,
        clip.covered,
        np.ascontiguousarray(clip.present[clip.counted]),
        np.ascontiguousarray(clip.present[~clip.counted]),
        _HELD[matching.edges],
        *matching.arguments,
    )
    return values, np.stack([np.diff(tp, prepend=0), np.diff(fp, prepend=0)], axis=1)


@_jit
def _find(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@_jit
def _edge(around, a, b, held):  # type: ignore[no-untyped-def]
    """Edges of the stretch of samples a to b, by the matching's convention."""
    out = np.empty(4, np.int64)
    out[1], out[2] = around[a + 1], around[b + 1]
    out[0] = around[a] if held == 0 else out[1]
    out[3] = out[2] if held == 1 else around[b + 2]
    if held == 2:
        out[2] = out[3]
    return out


@_jit
def _meets(edge, spans):  # type: ignore[no-untyped-def]
    """Whether a presence touches one of the spans."""
    for j in range(len(spans)):
        s, e = nearest_edges(edge, spans[j, 0], spans[j, 1])
        both = min(e, spans[j, 1]) - max(s, spans[j, 0])
        if both > 0 or (both == 0 and (s == e or spans[j, 0] == spans[j, 1])):
            return True
    return False


@_jit
def _augment(piece, first, count, which, left, right, seen, stamp, stack, at, took):  # type: ignore[no-untyped-def]
    """One augmenting path from a piece; whether there is one."""
    depth = 0
    stack[0] = piece
    at[0] = 0
    while depth >= 0:
        i = stack[depth]
        if at[depth] == count[i]:
            depth -= 1
            continue
        k = which[first[i] + at[depth]]
        at[depth] += 1
        if seen[k] == stamp:
            continue
        seen[k] = stamp
        took[depth] = k
        if right[k] < 0:
            for d in range(depth, -1, -1):
                left[stack[d]] = took[d]
                right[took[d]] = stack[d]
            return True
        depth += 1
        stack[depth] = right[k]
        at[depth] = 0
    return False


@_jit
def _grow(around, scores, order, covered, truth, ignored, held, mode, tiou, collar_us, share):  # type: ignore[no-untyped-def]
    """After each distinct score: tp and fp."""
    n, m, total = len(order), len(truth), len(scores)
    reach = 0
    for j in range(m):
        reach = max(reach, truth[j, 1] - truth[j, 0])
    reach = 0 if mode == 0 else max(collar_us, int(share * reach) + 1)
    # Stretches of samples, as a union of neighbours; -1 is a sample not over yet.
    parent = np.full(total, -1, np.int64)
    low, high = np.arange(total), np.arange(total)
    head = np.full(total, -1, np.int64)  # a stretch's first piece
    # Pieces: what of a stretch lies in one covered stretch.
    room = n + len(covered) + 1
    after = np.full(room, -1, np.int64)
    weight = np.zeros(room, np.int64)
    first, count = np.zeros(room, np.int64), np.zeros(room, np.int64)
    left = np.full(room, -1, np.int64)
    place = np.full(room, -1, np.int64)  # in `active`, the pieces with candidates
    active = np.empty(room, np.int64)
    free = np.arange(room)
    frees, actives = room, 0
    pool, used = 4 * m + 64, 0
    which = np.empty(pool, np.int64)
    right, seen = np.full(m, -1, np.int64), np.full(m, -1, np.int64)
    stack, at, took = (
        np.empty(m + 2, np.int64),
        np.empty(m + 2, np.int64),
        np.empty(m + 2, np.int64),
    )
    values, tps, fps = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
    tp = alive = paired = distinct = stamp = i = 0
    while i < n:
        value, begun, changed = scores[order[i]], i, False
        while i < n and scores[order[i]] == value:
            p = order[i]
            i += 1
            parent[p] = p
            for side in range(2):
                q = p - 1 if side == 0 else p + 1
                if q < 0 or q >= total or parent[q] < 0:
                    continue
                old = _find(parent, q)
                piece = head[old]
                while piece >= 0:
                    alive -= weight[piece]
                    if left[piece] >= 0:
                        right[left[piece]] = -1
                        left[piece] = -1
                        tp -= 1
                        paired -= weight[piece]
                    if place[piece] >= 0:
                        actives -= 1
                        active[place[piece]] = active[actives]
                        place[active[actives]] = place[piece]
                        place[piece] = -1
                        changed = True
                    free[frees] = piece
                    frees += 1
                    piece = after[piece]
                head[old] = -1
                mine = _find(parent, p)
                parent[mine] = old
                low[old], high[old] = min(low[old], low[mine]), max(high[old], high[mine])
        for t in range(begun, i):
            root = _find(parent, order[t])
            if head[root] >= 0:
                continue
            whole = _edge(around, low[root], high[root], held)
            c0, c1 = 0, len(covered)
            while c0 < c1:
                mid = (c0 + c1) // 2
                if covered[mid, 1] < whole[1]:
                    c0 = mid + 1
                else:
                    c1 = mid
            for c in range(c0, len(covered)):
                if covered[c, 0] > whole[2]:
                    break
                edge = np.minimum(np.maximum(whole, covered[c, 0]), covered[c, 1])
                frees -= 1
                piece = free[frees]
                after[piece], head[root] = head[root], piece
                first[piece], count[piece] = used, 0
                j0, j1 = 0, m
                while j0 < j1:
                    mid = (j0 + j1) // 2
                    if truth[mid, 1] < edge[0] - reach:
                        j0 = mid + 1
                    else:
                        j1 = mid
                j = j0
                while j < m and truth[j, 0] <= edge[3] + reach:
                    ok, _ = fits(edge, truth[j, 0], truth[j, 1], mode, tiou, collar_us, share)
                    if ok:
                        if used == pool:
                            pool *= 2
                            more = np.empty(pool, np.int64)
                            more[:used] = which
                            which = more
                        which[used] = j
                        used += 1
                        count[piece] += 1
                    j += 1
                if count[piece] > 0:
                    place[piece] = actives
                    active[actives] = piece
                    actives += 1
                    changed = True
                # What touches only annotations below resolution counts as nothing, unless paired.
                weight[piece] = 0 if len(ignored) > 0 and _meets(edge, ignored) else 1
                alive += weight[piece]
        if changed:
            for a in range(actives):
                if left[active[a]] < 0:
                    stamp += 1
                    if _augment(
                        active[a], first, count, which, left, right, seen, stamp, stack, at, took
                    ):
                        tp += 1
                        paired += weight[active[a]]
        values[distinct] = value
        tps[distinct] = tp
        fps[distinct] = alive - paired
        distinct += 1
    return values[:distinct], tps[:distinct], fps[:distinct]
