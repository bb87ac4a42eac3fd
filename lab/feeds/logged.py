"""A feed's log given to a session again, after a restart or under another rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lab.detection import Detections
from lab.feeds.session import Session
from lab.frame import FrameStamp
from lab.rules.rule import Rule, seconds_to_us
from lab.score_log.score_log import ScoreLog, read_log


def logged_samples(
    log: ScoreLog, wall_time: float, begin: int = 0
) -> Iterator[tuple[FrameStamp, Detections]]:
    """The samples from a position on.

    wall_time: when media time 0 was, Unix seconds.
    """
    for at in range(begin, len(log.pts_us)):
        pts_us = int(log.pts_us[at])
        stamp = FrameStamp(int(log.frame_index[at]), pts_us, wall_time + pts_us / 1e6)
        if not log.ok[at]:
            reason = log.reasons.get(at) or ""
            is_gated = bool(log.gated[at])
            yield stamp, Detections.held_back(reason) if is_gated else Detections.failed(reason)
            continue
        rows = log.rows_between(at, at + 1)
        yield (
            stamp,
            Detections(
                labels=[log.labels[label] for label in log.label[rows].tolist()],
                confidence=log.confidence[rows],
                box_xyxy_px=log.box_xyxy_px[rows],
            ),
        )


def follow_log(
    session: Session, folder: Path, wall_time: float, size_px: tuple[int, int], after_us: int | None
) -> int | None:
    """Give a session what was logged after a time; the time of the last sample, if there is any."""
    log = read_log(folder)
    begin = 0 if after_us is None else int(np.searchsorted(log.pts_us, after_us, "right"))
    last_us = after_us
    for stamp, found in logged_samples(log, wall_time, begin):
        session.take(stamp, found, None, size_px)
        last_us = stamp.pts_us
    return last_us


def quiet_point(log: ScoreLog, rule: Rule, every_s: float) -> int:
    """The last sample before which nothing is known that a rule would need; 0 if there is none.

    A tracker that begins there is, at the end of the log, in the state of one that saw it all.
    """
    rules = [rule.default, *rule.labels.values()]
    bounces = [one.debounce.resolved(every_s) for one in rules]
    threshold = min(min(one.exit_threshold, one.enter_threshold) for one in bounces)
    samples = 2 + max(max(one.exit_frames, one.enter_window) for one in bounces)
    pause_us = 1 + max(seconds_to_us(one.cooldown_s + one.merge_gap_s) for one in bounces)
    pts_us = log.pts_us[log.ok]
    seen = np.zeros(len(log.pts_us), bool)
    seen[log.sample[log.confidence >= threshold]] = True
    active = np.flatnonzero(seen[log.ok])
    # Between one sample with something on it and the next, or the end: is there room enough?
    starts = np.concatenate([[-1], active])
    ends = np.concatenate([active, [len(pts_us)]])
    for start, end in zip(starts[::-1].tolist(), ends[::-1].tolist(), strict=True):
        if start < 0:
            return 0
        quiet = int(np.searchsorted(pts_us, pts_us[start] + pause_us, "right"))
        begin = max(quiet, start + samples)
        if begin + samples < end:
            return int(np.flatnonzero(log.ok)[begin])
    return 0


def session_at_end(
    session: Session, folder: Path, wall_time: float, every_s: float, size_px: tuple[int, int]
) -> None:
    """Bring a new session to where the log ends. What it tells on the way is of the past.

    wall_time: when media time 0 was, Unix seconds.
    """
    log = read_log(folder)
    begin = quiet_point(log, session.rule, every_s)
    for stamp, found in logged_samples(log, wall_time, begin):
        session.take(stamp, found, None, size_px)
