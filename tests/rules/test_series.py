"""One label's scores over the samples of a run."""

import numpy as np
import pytest

import lab
from lab.errors import SettingError
from lab.rules.replay import replay
from lab.rules.rule import Debounce, LabelRule, Rule
from lab.rules.series import ScoreSeries
from tests.builders import make_run, scores_of


def test_a_series_has_a_score_for_every_sample_that_did_not_fail(tmp_path):
    scores = scores_of(20, [(5, 9)])
    scores[3] = np.nan
    series = make_run(tmp_path, scores, every_s=0.5).series("x")
    assert len(series.sample_pts_us) == 20
    assert len(series.scores) == len(series.pts_us) == 19
    assert 1_500_000 not in series.pts_us.tolist()
    assert series.why_not_scored(3) == "made to fail"
    assert series.interval_s == 0.5


def test_a_series_is_made_once_for_a_box_filter(tmp_path):
    run = make_run(tmp_path, {"x": scores_of(20, [(5, 9)]), "y": scores_of(20, [])})
    assert run.series("x") is run.series("x", Debounce(enter_threshold=0.9))
    zone = ((0.5, 0.5), (1.0, 0.5), (1.0, 1.0))
    rule = Rule(default=LabelRule(box_filter=lab.BoxFilter(include=(zone,))))
    assert run.series("x", rule).scores.max() == 0  # the boxes lie elsewhere
    assert run.series("x").scores.max() > 0.8
    for height in np.linspace(0.51, 1, 9):
        other = ((0.5, 0.5), (1.0, 0.5), (1.0, float(height)))
        run.series("x", Rule(default=LabelRule(box_filter=lab.BoxFilter(include=(other,)))))
    assert len([key for key in run._series if key[0] == "x"]) <= 4


def test_scores_of_many_labels_are_those_of_each_alone(tmp_path):
    random = np.random.default_rng(7)
    scores = {f"l{i}": random.choice([0, 0.2, 0.7], 50).astype(np.float32) for i in range(30)}
    run = make_run(tmp_path, scores)
    for label, expected in scores.items():
        assert np.array_equal(run.series(label).scores, expected), label


def test_a_series_at_some_samples_keeps_the_others_as_not_scored():
    series = ScoreSeries.from_arrays("x", np.arange(10) * 1_000_000, scores_of(10, [(2, 7)]))
    thin = series.at(np.arange(0, 10, 2))
    assert thin.pts_us.tolist() == [0, 2_000_000, 4_000_000, 6_000_000, 8_000_000]
    found = replay(thin, Debounce(enter_threshold=0.5, enter_frames=2, exit_frames=1))
    assert [(s.onset_us, s.offset_us) for s in found] == [(2_000_000, 6_000_000)]


def test_an_unknown_label_and_a_wrong_number_of_scores_are_refused(tmp_path):
    with pytest.raises(SettingError, match="no label 'cow'"):
        make_run(tmp_path, scores_of(5, [])).series("cow")
    with pytest.raises(ValueError, match="one for each of the 3 scored samples, got 2"):
        ScoreSeries.from_arrays("x", np.arange(3), np.zeros(2))
