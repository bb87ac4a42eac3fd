"""Counts as a rule's threshold falls, compiled by numba. See `lab.tuning.steps`.

At each score that occurs one sample changes from under to over. The rule's state is followed from
there until it is as it was before: mostly a few samples. Where a sighting begins or ends
otherwise, the surroundings are counted again, as far as merging and matching reach.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lab.evaluation.kernels import chain, clip_edges, count_begun, count_matches, first_ending_from

MAX_WINDOW = 62  # samples: their bits are one state

_jit = njit(cache=True, nogil=True)


@_jit
def next_state(state, kind, needed, leave, full):  # type: ignore[no-untyped-def]
    """The state after a sample. kind: 0 under, 1 neither, 2 over.

    Closed: the over samples among the last ones, as bits. Open: -1 less the under samples in a row.
    """
    if state < 0:
        if kind > 0:
            return -1
        return 0 if -state == leave else state - 1
    bits = ((state << 1) | (1 if kind == 2 else 0)) & full
    if kind < 2:
        return bits
    count, left = 0, bits
    while left:
        left &= left - 1
        count += 1
    return -1 if count >= needed else bits


@_jit
def _begins(states, i):  # type: ignore[no-untyped-def]
    return states[i] < 0 and (i == 0 or states[i - 1] >= 0)


@_jit
def _onset(states, i, full):  # type: ignore[no-untyped-def]
    """The first over sample of those that opened a sighting at sample i."""
    bits = 1 if i == 0 else ((states[i - 1] << 1) | 1) & full
    while bits > 1:
        bits >>= 1
        i -= 1
    return i


@_jit
def _edges(states, low, high, full, around_us):  # type: ignore[no-untyped-def]
    """Edges of the sightings that are open somewhere between two samples, before merging."""
    n = 0
    for i in range(low, high + 1):
        if _begins(states, i) or (i == low and states[i] < 0):
            n += 1
    out = np.empty((n, 4), np.int64)
    n = -1
    for i in range(low, high + 1):
        begins = _begins(states, i)
        if begins or (i == low and states[i] < 0):
            n += 1
            onset = _onset(states, i, full) if begins else i
            out[n, 0], out[n, 1] = around_us[onset], around_us[onset + 1]
        if states[i] == -1:
            out[n, 2], out[n, 3] = around_us[i + 1], around_us[i + 2]
    return out


@_jit
def _count(  # type: ignore[no-untyped-def]
    states, low, high, room, around_us, gap_us, min_us, covered, present, counted, reach,
    convention, mode, tiou, collar_us, share,
):  # fmt: skip
    """tp and fp of what is open between two samples."""
    full = (np.int64(1) << room) - 1
    kept = chain(_edges(states, low, high, full, around_us), gap_us, min_us)
    if convention > 0:
        for i in range(len(kept)):
            kept[i, 0] = kept[i, 1]
            if convention == 1:
                kept[i, 3] = kept[i, 2]
            else:
                kept[i, 2] = kept[i, 3]
    begin, end = around_us[max(0, low - room)], around_us[high + 2]
    watched = covered[first_ending_from(covered, begin) : count_begun(covered, end)]
    segments, _ = clip_edges(kept, watched)
    a, b = first_ending_from(present, begin - reach), count_begun(present, end + reach)
    tp, fp, _ = count_matches(segments, present[a:b], counted[a:b], mode, tiou, collar_us, share)
    return tp, fp


@_jit
def _surroundings(states, low, high, room, around_us, gap_us, present, reach):  # type: ignore[no-untyped-def]
    """The samples around `low` to `high` that merging and matching reach from there."""
    n = len(states)
    grown = True
    while grown:
        grown = False
        # A sighting begins up to `room` samples before the one that opens it.
        i = low - 1
        while i >= 0 and (
            low - i < 3 + room or around_us[low + 1 - room] - around_us[i + 1] <= gap_us
        ):
            if states[i] < 0:
                low = i
                grown = True
            i -= 1
        i = high + 1
        while i < n and (
            i - high < 3 + room or around_us[i + 1 - room] - around_us[high + 1] <= gap_us
        ):
            if states[i] < 0:
                high = i
                grown = True
            i += 1
        # An annotation that reaches into it lies in it, with a sample on both sides.
        a = first_ending_from(present, around_us[max(0, low - room - 1)] - reach)
        b = count_begun(present, around_us[min(n + 1, high + 3)] + reach)
        if a < b:
            while low > 0 and around_us[low] >= present[a, 0] - reach:
                low -= 1
                grown = True
            while high < n - 1 and around_us[high + 2] <= present[b - 1, 1] + reach:
                high += 1
                grown = True
    return low, high


@_jit
def _swap(one, other, low, high):  # type: ignore[no-untyped-def]
    for i in range(low, high):
        one[i], other[i] = other[i], one[i]


@_jit
def _neighbours(states, p, q, room, around_us, gap_us):  # type: ignore[no-untyped-def]
    """The samples from p to q, with the nearest one on both sides that merging could join."""
    n = len(states)
    low, high = p, min(q, n - 1)
    i = p - 1
    while i >= 0 and (p - i < 3 + room or around_us[p + 1 - room] - around_us[i + 1] <= gap_us):
        if states[i] < 0:
            low = i + states[i] + 1  # the last one that is not under
            break
        i -= 1
    i = q
    while i < n and (i - q < 3 + room or around_us[i + 1 - room] - around_us[q] <= gap_us):
        if states[i] < 0:
            high = i
            break
        i += 1
    return low, high


@_jit
def count_steps(  # type: ignore[no-untyped-def]
    around_us, when, sample, kind, needed, room, leave, gap_us, min_us, covered, present, counted,
    reach, convention, mode, tiou, collar_us, share,
):  # fmt: skip
    """Thresholds at which tp or fp change, falling, and what they are from there on.

    when, sample, kind: from which threshold on (falling) a sample is 1 neither or 2 over.
    """
    n, events = len(around_us) - 2, len(when)
    full = (np.int64(1) << room) - 1
    kinds, states = np.zeros(n, np.int8), np.zeros(n, np.int64)
    fresh = np.empty(n, np.int64)
    values, counts = np.empty(events), np.empty((events, 2), np.int64)
    tp = fp = last_tp = last_fp = distinct = e = 0
    while e < events:
        value = when[e]
        while e < events and when[e] == value:
            p = sample[e]
            kinds[p] = kind[e]
            e += 1
            state = states[p - 1] if p else 0
            q, differs = p, False
            while q < n:
                state = next_state(state, kinds[q], needed, leave, full)
                # A sighting that opens here in both may begin at another sample.
                if q > p and state < 0 and states[q] < 0 and fresh[q - 1] >= 0:
                    differs = differs or fresh[q - 1] != states[q - 1]
                if state == states[q]:
                    break
                differs = differs or (state < 0) != (states[q] < 0)
                fresh[q] = state
                q += 1
            if not differs and q < n:
                states[p:q] = fresh[p:q]
                continue
            if q == p:
                continue
            # What is joined on both sides as before is one sighting as before.
            low, high = _neighbours(states, p, q, room, around_us, gap_us)
            old = chain(_edges(states, low, high, full, around_us), gap_us, -1)
            _swap(states, fresh, p, q)
            new = chain(_edges(states, low, high, full, around_us), gap_us, -1)
            if q < n and len(old) == len(new) and (old == new).all():
                continue
            low, high = max(0, p - room), min(n - 1, q)
            low, high = _surroundings(states, low, high, room, around_us, gap_us, present, reach)
            new_tp, new_fp = _count(
                states, low, high, room, around_us, gap_us, min_us, covered, present, counted,
                reach, convention, mode, tiou, collar_us, share,
            )  # fmt: skip
            _swap(states, fresh, p, q)
            old_tp, old_fp = _count(
                states, low, high, room, around_us, gap_us, min_us, covered, present, counted,
                reach, convention, mode, tiou, collar_us, share,
            )  # fmt: skip
            _swap(states, fresh, p, q)
            tp += new_tp - old_tp
            fp += new_fp - old_fp
        if tp != last_tp or fp != last_fp:
            values[distinct], counts[distinct, 0], counts[distinct, 1] = value, tp, fp
            last_tp, last_fp = tp, fp
            distinct += 1
    return values[:distinct], counts[:distinct]
