"""The fast form of the tracker, over a whole score log at once.

`lab.rules.tracker` is the truth; a property test holds the two equal. The loop is compiled by numba
on first use (`warm_up`) and kept on disk after that.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from lab.rules.rule import Debounce, seconds_to_us
from lab.rules.series import ScoreSeries
from lab.sighting import CloseReason, Sighting

_NONE = -1
OPEN_AT_END, CLOSED_BY_GAP, AFTER_GAP = 1, 2, 4
NO_GAPS = np.zeros(0, bool)


def replay(series: ScoreSeries, debounce: Debounce) -> list[Sighting]:
    """The sightings of one label. debounce: resolved to counts, or in seconds."""
    pts_us, scores, n = series.pts_us, series.scores, len(series.pts_us)
    if n == 0:
        return []
    rows, count = replay_rows(pts_us, scores, series.resolve(debounce), series.gaps_for(debounce))
    start = min(series.start_us, int(pts_us[0]))
    end = max(series.end_us, int(pts_us[-1]))
    out = []
    for onset, confirmed, offset, closed, peak, alert, flags in rows[:count].tolist():
        why: CloseReason = "gap" if flags & CLOSED_BY_GAP else "exit"
        before, after = onset - 1, offset + 1
        if flags & AFTER_GAP:
            before = onset
        if flags & CLOSED_BY_GAP and offset == closed:
            after = offset
        out.append(
            Sighting(
                label=series.label,
                onset_us=int(pts_us[onset]),
                confirmed_us=int(pts_us[confirmed]),
                offset_us=int(pts_us[offset]),
                closed_us=int(pts_us[closed]),
                onset_earliest_us=int(pts_us[before]) if onset else start,
                offset_latest_us=int(pts_us[after]) if after < n else end,
                peak_us=int(pts_us[peak]),
                peak_confidence=float(scores[peak]),
                close_reason=series.end_reason if flags & OPEN_AT_END else why,
                censored_left=onset == 0 or bool(flags & AFTER_GAP),
                censored_right=bool(flags & (OPEN_AT_END | CLOSED_BY_GAP)),
                alert_us=None if alert == _NONE else int(pts_us[alert]),
            )
        )
    return out


def replay_rows(
    pts_us: np.ndarray, scores: np.ndarray, debounce: Debounce, gaps: np.ndarray = NO_GAPS
) -> tuple[np.ndarray, int]:
    """The sightings as sample positions, for sweeps.

    gaps: bool (n,), the samples before which a gap breaks streaks, as of `ScoreSeries.gaps_for`;
    of length 0 if there are none.

    Returns int64 rows (onset, confirmed, offset, closed, peak, alert or -1, flags) and how many of
    them are filled. The flags are a sum of `OPEN_AT_END`, `CLOSED_BY_GAP`, and `AFTER_GAP` where
    the onset is the first sample after a gap.
    """
    return compiled_loop()(
        np.ascontiguousarray(pts_us, np.int64),
        np.ascontiguousarray(scores, np.float32),
        debounce.enter_threshold,
        debounce.exit_threshold,
        debounce.enter_frames,
        debounce.enter_window,
        debounce.exit_frames,
        seconds_to_us(debounce.min_duration_s),
        seconds_to_us(debounce.merge_gap_s),
        seconds_to_us(debounce.cooldown_s),
        debounce.cooldown_from == "end",
        np.ascontiguousarray(gaps, np.bool_),
    )


def rows_around(
    pts_us: np.ndarray,
    scores: np.ndarray,
    debounce: Debounce,
    first: int,
    last: int,
    gaps: np.ndarray = NO_GAPS,
) -> np.ndarray:
    """The rows of `replay_rows` that lie around the samples `first` to `last`.

    Every sighting that overlaps these samples is among them, as in a replay of everything, only
    its alert is not (-1, or one that a cooldown would silence). What is replayed is the stretch
    between two moments at which the rule has nothing open, pending or begun.
    """
    begin, end = settled_around(pts_us, scores, debounce, first, last)
    rows, count = replay_rows(
        pts_us[begin:end], scores[begin:end], debounce, gaps[begin:end] if len(gaps) else NO_GAPS
    )
    rows = rows[:count]
    rows[:, :5] += begin
    return rows


def settled_around(
    pts_us: np.ndarray, scores: np.ndarray, debounce: Debounce, first: int, last: int
) -> tuple[int, int]:
    """The stretch around samples first to last before and after which nothing is undecided.

    Returns its first sample and the one after its last. debounce: resolved to counts.
    """
    begin, end = _compiled_stretch()(
        np.ascontiguousarray(pts_us, np.int64),
        np.ascontiguousarray(scores, np.float32),
        debounce.exit_threshold,
        debounce.exit_frames + debounce.enter_window,
        seconds_to_us(debounce.merge_gap_s),
        first,
        last,
    )
    return int(begin), int(end)


def warm_up() -> None:
    """Compile, so that the first slider does not wait for it."""
    replay_rows(np.arange(4, dtype=np.int64), np.ones(4, np.float32), Debounce())


@cache
def compiled_loop() -> Any:
    """The loop as machine code: see `replay_rows` for what it takes and gives."""
    import numba

    return numba.njit(cache=True, nogil=True)(_loop)


@cache
def _compiled_stretch() -> Any:
    import numba

    return numba.njit(cache=True, nogil=True)(_stretch)


def _stretch(pts, scores, exit_, quiet, gap_us, first, last):  # type: ignore[no-untyped-def]
    """Where a replay may begin and end (exclusive) to say all about samples first to last.

    After `quiet` samples under the exit threshold nothing is open and no streak goes on; once
    they have lasted longer than the merge gap, nothing is pending either.
    """
    begin = under = 0
    for i in range(first - 1, -1, -1):
        if np.float64(scores[i]) < exit_:
            under += 1
            # What was there before them ended at the latest at sample i - 1.
            if under >= quiet and i > 0 and pts[i + under - 1] - pts[i - 1] > gap_us:
                begin = i + under
                break
        else:
            under = 0
    end = len(pts)
    under = 0
    for i in range(last + 1, len(pts)):
        if np.float64(scores[i]) < exit_:
            under += 1
            if under >= quiet and pts[i] - pts[i - under] > gap_us:
                end = i + 1
                break
        else:
            under = 0
    return begin, end


def _loop(  # type: ignore[no-untyped-def]
    pts,
    scores,
    enter,
    exit_,
    needed,
    room,
    exit_frames,
    min_us,
    gap_us,
    cooldown_us,
    from_end,
    gaps,
):
    n = len(pts)
    has_gaps = len(gaps) > 0
    least = needed if has_gaps else needed + exit_frames  # samples of a sighting
    rows = np.empty((n // least + 2, 7), np.int64)
    count = flags = 0
    is_open = pending = False
    fresh = 0  # first sample since the last close
    overs = under = 0
    onset = confirmed = offset = closed = peak = 0
    alert = gap_peak = last_alert = last_alerted_offset = _NONE
    for i in range(n):
        score = np.float64(scores[i])
        over = score >= enter
        if has_gaps and gaps[i]:
            if is_open:
                closed = i - 1
                is_open = False
                pending = True
                flags |= CLOSED_BY_GAP
                if alert != _NONE:
                    last_alerted_offset = offset
                gap_peak = _NONE
            under = overs = 0
            fresh = i
        if i - room >= fresh and np.float64(scores[i - room]) >= enter:
            overs -= 1
        if over:
            overs += 1
        entering = over and overs >= needed
        if pending and (gap_peak == _NONE or scores[i] > scores[gap_peak]):
            gap_peak = i
        if is_open:
            if score >= exit_:
                offset = i
                under = 0
                if scores[i] > scores[peak]:
                    peak = i
            else:
                under += 1
                if under == exit_frames:
                    closed = i
                    is_open = False
                    pending = True
                    if alert != _NONE:
                        last_alerted_offset = offset
                    under = overs = 0
                    fresh = i + 1
                    gap_peak = _NONE
        elif entering:
            first = max(fresh, i - room + 1)
            while np.float64(scores[first]) < enter:
                first += 1
            if pending and pts[first] - pts[offset] <= gap_us:
                if scores[gap_peak] > scores[peak]:
                    peak = gap_peak
                flags &= ~CLOSED_BY_GAP
            else:
                if pending and pts[offset] - pts[onset] >= min_us:
                    rows[count] = (onset, confirmed, offset, closed, peak, alert, flags)
                    count += 1
                flags = AFTER_GAP if has_gaps and gaps[first] else 0
                onset = first
                confirmed = i
                alert = _NONE
                peak = first
                for j in range(first, i + 1):
                    if scores[j] > scores[peak]:
                        peak = j
            offset = i
            is_open = True
            pending = False
            under = 0
        if pending and pts[i] - pts[offset] > gap_us:
            began = False
            recent_overs = 0
            for j in range(i, max(fresh, i - room + 1) - 1, -1):
                if np.float64(scores[j]) >= enter:
                    recent_overs += 1
                    left = needed - recent_overs
                    if pts[j] - pts[offset] <= gap_us and left <= room - (i - j + 1):
                        began = True
                        break
            if not began:
                pending = False
                if pts[offset] - pts[onset] >= min_us:
                    rows[count] = (onset, confirmed, offset, closed, peak, alert, flags)
                    count += 1
        if is_open and alert == _NONE and entering and pts[offset] - pts[onset] >= min_us:
            since = last_alerted_offset if from_end else last_alert
            if since == _NONE or pts[i] - pts[since] >= cooldown_us:
                alert = last_alert = i
    if is_open or pending:
        if is_open:
            closed = n - 1
            flags |= OPEN_AT_END
        if pts[offset] - pts[onset] >= min_us:
            rows[count] = (onset, confirmed, offset, closed, peak, alert, flags)
            count += 1
    return rows, count
