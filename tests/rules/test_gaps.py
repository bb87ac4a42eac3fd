"""What counts sightings without making them closes at gaps as a replay does."""

import numpy as np
import pytest

from lab.evaluation.evaluate import presences_in
from lab.evaluation.matching import Matching, Presences
from lab.evaluation.truth import LabelTruth
from lab.rules.replay import replay
from lab.rules.rule import Debounce, LabelRule
from lab.rules.series import ScoreSeries
from lab.score_log.effort import effort_of
from lab.tuning.footage import Footage
from lab.tuning.in_use import counts_in_use
from lab.tuning.rule_grid import RuleGrid
from lab.tuning.steps import threshold_steps
from lab.tuning.sweep import sweep_footage

RULE = Debounce(enter_threshold=0.5, enter_frames=2, exit_frames=3, gap_policy="close")


@pytest.fixture(scope="module")
def series():
    random = np.random.default_rng(3)
    steps = random.choice([200_000, 200_000, 200_000, 200_000, 3_000_000], 300)
    scores = random.choice([0.0, 0.4, 0.8, 0.9], 300)
    return ScoreSeries.from_arrays("fox", np.cumsum(steps), scores, interval_s=0.2)


def test_columns_of_sightings_are_those_of_the_sightings(series):
    found = replay(series, RULE)
    assert {"gap", "exit"} <= {sighting.close_reason for sighting in found}
    expected, got = Presences.of_sightings(found), presences_in(series, RULE)
    for name in ("edges", "confirmed_us", "censored"):
        assert np.array_equal(getattr(got, name), getattr(expected, name))


def test_a_gap_is_what_the_effort_calls_one(series):
    effort = effort_of(series.pts_us, series.scored, series.end_us, 0.2)
    assert effort.gaps == series.after_gap.sum() > 0


@pytest.fixture(scope="module")
def clip(series):
    """Somebody watched all of it, and saw the label in every tenth stretch of 3 s."""
    begins = np.arange(0, series.end_us - 3_000_000, 30_000_000)
    present = np.stack([begins, begins + 3_000_000], axis=1)
    watched = np.array([[0, series.end_us]])
    truth = LabelTruth(present, np.zeros(len(present), bool), watched, present[:0])
    return Footage.made(
        "clip", series.pts_us, series.scores, truth, start_us=0, end_us=series.end_us,
        interval_us=200_000, after_gap=series.after_gap,
    )  # fmt: skip


def test_a_sweep_counts_what_the_rule_finds(clip):
    grid = RuleGrid(
        enter_threshold=(0.5,), exit_share=(1.0,), enter_frames=(2,), exit_frames=(3,),
        merge_gap_s=(0.0, 4.0), min_duration_s=(0.0,), min_area_fraction=(0.0,),
    )  # fmt: skip
    matching = Matching(tiou=0.1)
    found = {}
    for policy in ("hold", "close"):
        base = LabelRule(debounce=RULE).changed(gap_policy=policy)
        swept = sweep_footage([clip], "fox", grid, floor=0.05, matching=matching, base=base)
        for merged, counts in zip((0.0, 4.0), swept.counts[0].tolist(), strict=True):
            rule = base.changed(merge_gap_s=merged)
            assert counts == counts_in_use([clip], rule, 0.05, matching)[0].tolist()
            found[policy, merged] = counts
    assert found["hold", 0.0] != found["close", 0.0]


def test_steps_of_a_threshold_are_not_counted_where_gaps_close(clip):
    assert threshold_steps([clip], LabelRule(debounce=RULE), 0.05) is None
    assert threshold_steps([clip], LabelRule(debounce=RULE).changed(gap_policy="hold"), 0.05)
