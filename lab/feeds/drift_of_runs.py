"""The reference of drift, made from the run on which a rule was tuned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

import numpy as np

from lab.errors import LabError
from lab.feeds.drift_learning import ReferenceMaker
from lab.feeds.drift_reference import DriftReference
from lab.feeds.feed_drift import highest_scores
from lab.feeds.picture_figures import picture_figures
from lab.runs.run import Run
from lab.score_log.score_log import ScoreLog
from lab.store.store import Store
from lab.video.registered import open_source

_MOST_PICTURES = 600


def reference_of_run(run: Run, most: int = _MOST_PICTURES) -> DriftReference:
    """From the log of a run and at most so many pictures of its media, evenly chosen.

    Raises LabError where the log or the media cannot be read, or nothing was analysed.
    """
    log, began = run.log, run.media["start_utc"]
    zero_s = None if began is None else began.replace(tzinfo=UTC).timestamp()
    maker = ReferenceMaker(f"run {run.run_id} of {run.media_path.name}")
    analysed = np.flatnonzero(log.ok)
    if len(analysed) > most:
        analysed = analysed[np.linspace(0, len(analysed) - 1, most).round().astype(int)]
    wanted = dict(zip(log.pts_us[analysed].tolist(), analysed.tolist(), strict=True))
    with open_source(run.media_path) as source:
        for frame in source.frames_at(list(wanted)):
            if frame.image_bgr is not None and frame.pts_us in wanted:
                wall_time = None if zero_s is None else zero_s + frame.pts_us / 1e6
                scores = _scores_at(log, wanted[frame.pts_us])
                maker.take(frame.pts_us, wall_time, picture_figures(frame.image_bgr), scores)
    made = maker.made()
    if made is None:
        raise LabError(f"run {run.run_id} has no analysed picture to compare a feed with")
    return made


def reference_of_rule(store: Store, rule_hash: str) -> DriftReference | None:
    """Of the run on which a saved or current rule was tuned; None if none is known.

    Raises LabError as `reference_of_run` does.
    """
    saved = [(row["rule_hash"], row["run_id"]) for row in store.rules()]
    current = [(one.rule.rule_hash, one.run_id) for one in store.current_rules().values()]
    known = [run_id for of_rule, run_id in saved + current if of_rule == rule_hash and run_id]
    return reference_of_run(Run(store, known[0])) if known else None


def _scores_at(log: ScoreLog, position: int) -> Mapping[str, float]:
    rows = log.rows_between(position, position + 1)
    labels = [log.labels[label] for label in log.label[rows].tolist()]
    return highest_scores(labels, log.confidence[rows].tolist())
