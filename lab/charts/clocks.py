"""Clocks of sites: offsets from UTC of many times at once, with the days on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP_S = 7 * 86_400  # no zone changes its clock twice within a week
_CENTURY_S = 100 * 366 * 86_400


def offset_changes(zone: tzinfo, first_us: int, last_us: int) -> tuple[np.ndarray, np.ndarray]:
    """From when which offset holds between two times: int64 (k,) each, microseconds.

    The first is before `first_us`. Times in UTC since 1970.
    """
    begin_s = first_us // 1_000_000 - 1
    end_s = min(last_us // 1_000_000 + 1, begin_s + _CENTURY_S)
    at = [begin_s]
    offsets = [_offset_s(zone, begin_s)]
    for time_s in (*range(begin_s + _STEP_S, end_s, _STEP_S), end_s):
        offset = _offset_s(zone, time_s)
        if offset != offsets[-1]:
            at.append(_changed(zone, max(at[-1], time_s - _STEP_S), time_s))
            offsets.append(offset)
    return np.array(at, np.int64) * 1_000_000, np.array(offsets, np.int64) * 1_000_000


def _changed(zone: tzinfo, before_s: int, after_s: int) -> int:
    """The second at which the offset becomes that of `after_s`."""
    new = _offset_s(zone, after_s)
    while after_s - before_s > 1:
        middle = (before_s + after_s) // 2
        if _offset_s(zone, middle) == new:
            after_s = middle
        else:
            before_s = middle
    return after_s


def _offset_s(zone: tzinfo, utc_s: int) -> int:
    offset = (_EPOCH + timedelta(seconds=utc_s)).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


def offsets_us(zone: tzinfo, utc_us: np.ndarray) -> np.ndarray:
    """What to add to times in UTC, int64 (n,), so that they are those of a clock: int64 (n,)."""
    if not len(utc_us):
        return np.zeros(0, np.int64)
    at, offsets = offset_changes(zone, int(utc_us.min()), int(utc_us.max()))
    return offsets[np.searchsorted(at, utc_us, "right") - 1]
