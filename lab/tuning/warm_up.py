"""What a sweep, its curve and its advice compile with numba, compiled before somebody waits."""

from __future__ import annotations

import numpy as np

from lab.evaluation.truth import LabelTruth
from lab.rules.rule import LabelRule
from lab.score_log import spans
from lab.tuning.curve import threshold_curve
from lab.tuning.footage import Footage
from lab.tuning.rule_grid import RuleGrid
from lab.tuning.steps import threshold_steps
from lab.tuning.sweep import sweep_footage

_FLOOR = 0.1


def warm_up() -> None:
    """Compile, or load from disk what was compiled before: some seconds, or a tenth of one."""
    footage = [_footage()]
    grid = RuleGrid(
        enter_threshold=[0.5], enter_frames=[1], exit_frames=[1], merge_gap_s=[0],
        min_duration_s=[0], min_area_fraction=[0],
    )  # fmt: skip
    sweep_footage(footage, "", grid, floor=_FLOOR)
    threshold_curve(footage, floor=_FLOOR)
    threshold_steps(footage, LabelRule(), _FLOOR)


def _footage() -> Footage:
    """Four samples, watched, with one annotation; arrays are laid out as those of runs."""
    watched = np.array([[0, 4_000_000]], np.int64)
    truth = LabelTruth(
        present=np.array([[1_000_000, 2_000_000]], np.int64),
        copied=np.zeros(1, bool),
        covered=watched,
        rejected=spans.NONE,
    )
    return Footage.made(
        "",
        np.arange(4, dtype=np.int64) * 1_000_000,
        np.array([0.0, 0.9, 0.8, 0.0], np.float32),
        truth,
        start_us=0,
        end_us=4_000_000,
        interval_us=1_000_000,
    )
