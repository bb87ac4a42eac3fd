"""A run's log for the player: an overview that fits a screen, and windows of samples and boxes.

No answer grows with the length of the clip: a day and a minute cost the browser the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from lab.app.server.binary import pack
from lab.errors import SettingError
from lab.rules.rule import Rule
from lab.runs.label_colours import clear_labels
from lab.runs.run import Run
from lab.score_log.score_log import ScoreLog

MOST_BINS = 4096  # more than a screen has columns of pixels
MOST_WINDOW_US = 600_000_000
MOST_LABELS = 64  # curves in one answer
_FIRST_LABELS = 8  # curves of an overview that names no labels
FAILED, SKIPPED = 1, 2
_CLOCK_STEP_S = 0.001


def overview(run: Run, *, version: str, labels: list[str] | None = None) -> bytes:
    """What the player has to know of a run when it opens; see `binary.pack` for the layout.

    Header: run_id, state, version, labels, clear (as of `clear_labels`), adding, prompted,
    whole_frame, damaged, samples (how many), first_us and last_us (null without samples),
    camera_clock (pairs of a media time in µs and by how many seconds the camera's own clock is
    ahead of the clip's time of day from there on) and `curves` as of `curves`. Arrays: `peaks`,
    float32, the highest confidence of each label, and those of `curves`, over the whole run: of
    the strongest labels unless `labels` names others.
    """
    log = run.log
    strongest = np.argsort(-log.peaks, kind="stable")[:_FIRST_LABELS]
    shown = [log.labels[i] for i in strongest.tolist()] if labels is None else labels
    about, arrays = _curves(run, shown, None, *_whole(log))
    header = {
        "run_id": run.run_id,
        "state": run.state,
        "version": version,
        "labels": log.labels,
        "clear": clear_labels(run),
        "adding": list(log.adding),
        "prompted": "prompt_mode" in run.recipe,
        "whole_frame": bool(run.recipe.get("whole_frame")),
        "damaged": list(log.damaged),
        "samples": len(log.pts_us),
        "first_us": int(log.pts_us[0]) if len(log.pts_us) else None,
        "last_us": int(log.pts_us[-1]) if len(log.pts_us) else None,
        "camera_clock": _camera_clock(log, run.media["start_utc"]),
    }
    return pack({**header, **about}, {"peaks": log.peaks, **arrays})


def curves(
    run: Run,
    labels: list[str],
    *,
    version: str,
    from_us: int | None = None,
    to_us: int | None = None,
    rule: Rule | None = None,
) -> bytes:
    """The scores of labels over a stretch of time (default: all), as much as a screen can show.

    rule: whose box filters the scores pass; none unless given.

    Header: run_id, version, `curves` (the labels), is_exact, from_us, to_us. Arrays: `at_us`,
    float64 (k,), times of samples; where there are more than `MOST_BINS`, of the first sample of
    each bin (is_exact is false then). For the label at position i: `high.i` and, unless is_exact,
    `low.i`, float32 (k,), the highest and lowest score, NaN where the label has none; `state.i`,
    uint8 (k,), 1 if a sample failed, 2 if one was gated or not analysed for the label, 3 if both.
    The sample before the stretch and the one after it are there, too, so that a line leaves it.

    Raises SettingError for a label that the run does not have, or too many.
    """
    first_us, last_us = _whole(run.log)
    stretch = (first_us if from_us is None else from_us, last_us if to_us is None else to_us)
    about, arrays = _curves(run, labels, rule, *stretch)
    return pack({"run_id": run.run_id, "version": version, **about}, arrays)


def window(run: Run, from_us: int, to_us: int, *, version: str) -> bytes:
    """Samples and boxes from one time to another (exclusive).

    Header: run_id, version, from_us, to_us, before_us and after_us (the times of the samples next
    to the window, null where there are none), failed and gated (position of a sample in the window
    to why), text (what was read in each box, or null). Arrays: `pts_us`, float64 (n,); `first`,
    int32 (n + 1,), where the boxes of each sample begin; `label`, uint16 or int32 (m,), positions
    in the overview's labels; `confidence`, float32 (m,); `box`, int16 or int32 (4 m,), xyxy in
    whole pixels.

    Raises SettingError for a window that is empty or longer than `MOST_WINDOW_US`.
    """
    if not 0 < to_us - from_us <= MOST_WINDOW_US:
        raise SettingError(
            f"a window lasts up to {MOST_WINDOW_US / 1e6:g} s, got {(to_us - from_us) / 1e6:g} s"
        )
    log = run.log
    begin, end = np.searchsorted(log.pts_us, [from_us, to_us]).tolist()
    rows = log.rows_between(begin, end)
    counts = np.bincount(log.sample[rows] - begin, minlength=end - begin)
    why = {i: log.reasons.get(begin + i) for i in np.flatnonzero(~log.ok[begin:end]).tolist()}
    gated = log.gated[begin:end]
    header = {
        "run_id": run.run_id,
        "version": version,
        "from_us": from_us,
        "to_us": to_us,
        "before_us": int(log.pts_us[begin - 1]) if begin else None,
        "after_us": int(log.pts_us[end]) if end < len(log.pts_us) else None,
        "failed": {str(i): reason for i, reason in why.items() if not gated[i]},
        "gated": {str(i): reason for i, reason in why.items() if gated[i]},
        "text": None if log.text is None else log.text[rows].tolist(),
    }
    arrays = {
        "pts_us": log.pts_us[begin:end].astype(np.float64),
        "first": np.append(0, np.cumsum(counts)).astype(np.int32),
        "label": log.label[rows].astype(np.uint16 if len(log.labels) <= 65536 else np.int32),
        "confidence": log.confidence[rows],
        "box": _small(np.rint(log.box_xyxy_px[rows]).ravel()),
    }
    return pack(header, arrays)


def _camera_clock(log: ScoreLog, start_utc: datetime | None) -> list[tuple[int, float]]:
    if log.camera_time is None or start_utc is None:
        return []
    known = np.flatnonzero(~np.isnan(log.camera_time))
    zero_s = start_utc.replace(tzinfo=UTC).timestamp()
    ahead_s = log.camera_time[known] - log.pts_us[known] / 1e6 - zero_s
    steps = np.flatnonzero(np.append(True, np.abs(np.diff(ahead_s)) > _CLOCK_STEP_S))
    if len(steps) > MOST_BINS:
        steps = steps[np.linspace(0, len(steps) - 1, MOST_BINS).round().astype(int)]
    at_us = log.pts_us[known][steps].tolist()
    return list(zip(at_us, ahead_s[steps].round(3).tolist(), strict=True))


def _whole(log: ScoreLog) -> tuple[int, int]:
    return (int(log.pts_us[0]), int(log.pts_us[-1])) if len(log.pts_us) else (0, 0)


def _small(values: np.ndarray) -> np.ndarray:
    fits = not len(values) or (values.min() >= -32768 and values.max() <= 32767)
    return values.astype(np.int16 if fits else np.int32)


def _curves(
    run: Run, labels: list[str], rule: Rule | None, from_us: int, to_us: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if len(labels) > MOST_LABELS:
        raise SettingError(f"at most {MOST_LABELS} labels have curves in one answer")
    log = run.log
    begin = max(0, int(np.searchsorted(log.pts_us, from_us)) - 1)
    end = min(len(log.pts_us), int(np.searchsorted(log.pts_us, to_us, "right")) + 1)
    pts_us = log.pts_us[begin:end]
    is_exact = len(pts_us) <= MOST_BINS
    if is_exact:
        starts = np.arange(len(pts_us))
    else:
        width_us = max(1, -(-(int(pts_us[-1]) - int(pts_us[0]) + 1) // MOST_BINS))
        bins = (pts_us - pts_us[0]) // width_us
        starts = np.flatnonzero(np.append(True, bins[1:] != bins[:-1]))
    arrays: dict[str, np.ndarray] = {"at_us": pts_us[starts].astype(np.float64)}
    failed = np.where(log.ok | log.gated, 0, FAILED)[begin:end]
    for i, label in enumerate(labels):
        scored = log.ok_of(label)[begin:end]
        scores = _scores(run, label, rule)[begin:end]
        state = (failed | np.where(scored | (failed > 0), 0, SKIPPED)).astype(np.uint8)
        if is_exact:
            arrays |= {f"high.{i}": scores, f"state.{i}": state}
        else:
            arrays[f"low.{i}"] = np.fmin.reduceat(scores, starts)
            arrays[f"high.{i}"] = np.fmax.reduceat(scores, starts)
            arrays[f"state.{i}"] = np.bitwise_or.reduceat(state, starts)
    about = {"curves": labels, "is_exact": is_exact, "from_us": from_us, "to_us": to_us}
    return about, arrays


def _scores(run: Run, label: str, rule: Rule | None) -> np.ndarray:
    """A label's score on every sample, float32; NaN where it has none."""
    series = run.series(label, rule)
    scores = np.full(len(series.sample_pts_us), np.nan, np.float32)
    scores[series.scored] = series.scores
    return scores
