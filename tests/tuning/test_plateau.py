"""The middle of the plateau is advised, and the rule in use kept where nothing is better."""

import numpy as np
import pytest

import lab
from lab.evaluation.resampling import paired_difference, paired_gain
from lab.rules.rule import Debounce, LabelRule
from lab.tuning.choice import Goal
from lab.tuning.plateau import Scale, best_plateau, plateau_around
from lab.tuning.recommend import recommend
from lab.tuning.rule_grid import RuleGrid
from lab.tuning.steps import threshold_steps
from lab.tuning.sweep import load_sweep, sweep_footage
from tests.builders import make_footage, scores_of

EACH = LabelRule(debounce=Debounce(enter_threshold=0.95, enter_frames=1, exit_frames=1))
ONE = RuleGrid(enter_frames=[1], exit_frames=[1], merge_gap_s=[0], min_duration_s=[0])


def in_use(threshold):
    return LabelRule(debounce=Debounce(enter_threshold=threshold, enter_frames=1, exit_frames=1))


def advised(clips, used=EACH, goal="f1", grid=ONE):
    clips = clips if isinstance(clips, list) else [clips]
    return recommend(sweep_footage(clips, "x", grid, floor=0.05, base=used), goal)


def enter_of(advice):
    return advice.rule.default.debounce.enter_threshold


def test_the_advice_on_six_visits_is_the_middle_not_the_rim(clips, visits):
    truth = clips / "ground_truth.csv"
    for used in (0.9, 0.95):
        advice = lab.recommend(lab.sweep(visits, truth, base=Debounce(enter_threshold=used)))
        assert not advice.is_kept
        assert 0.3 <= enter_of(advice) <= 0.6
        assert advice.plateau.reaches_floor
        assert advice.plateau.up_to > 0.8
    kept = lab.recommend(lab.sweep(visits, truth))
    assert kept.is_kept
    assert kept.rule.default == visits.default_rule.of("person")
    assert "nothing here is better than your rule" in kept.verdict
    assert 0.3 <= kept.found.rule.default.debounce.enter_threshold <= 0.6
    rim = lab.recommend(lab.sweep(visits, truth, base=Debounce(enter_threshold=0.06)))
    assert rim.is_kept
    assert any("lies at the rim" in note for note in rim.notes)


def noisy(seed=0, n=600, site=None):
    dice = np.random.default_rng(seed)
    scores = dice.uniform(0.05, 0.3, n)
    present = [(a, a + 12) for a in range(20, n - 30, 60)]
    for a, b in present:
        scores[a : b + 1] = dice.uniform(0.5, 0.95, b - a + 1)
        scores[a], scores[b] = 0.5, 0.5
    return make_footage(scores, present, name=f"clip {seed}", site=site)


def test_between_noise_and_objects_lies_the_advice():
    advice = advised(noisy())
    assert advice.fitted["f1"] == 1.0
    assert 0.35 <= enter_of(advice) <= 0.45
    assert advice.plateau.above < 0.35
    assert advice.plateau.up_to >= 0.5
    assert "the same from 0." in advice.plateau.text()


def with_hole():
    """F1 is 1 above .3 to .7 and above .1 to .2; between them a sighting is false."""
    scores = scores_of(60, [(10, 20)], high=0.7, low=0.1)
    scores[21:23], scores[23] = 0.2, 0.3
    return make_footage(scores, [(10, 20)])


@pytest.mark.parametrize("grid", [[0.15, 0.25, 0.5, 0.65], [0.15], [0.25], "auto"])
def test_a_plateau_with_a_hole_is_two_and_the_wider_one_is_halved(grid):
    advice = advised(with_hole(), grid=RuleGrid(**{**ONE.to_dict(), "enter_threshold": grid}))
    assert enter_of(advice) == pytest.approx(0.5, abs=0.005)
    assert (advice.plateau.above, advice.plateau.up_to) == pytest.approx((0.3, 0.7))
    steps = threshold_steps([with_hole()], EACH, 0.05)
    around = plateau_around(steps, 0.15)
    assert (around.above, around.up_to) == pytest.approx((0.1, 0.2))
    assert around.middle == pytest.approx(0.14, abs=0.005)
    assert plateau_around(steps, 0.01) is None


def test_the_floor_ends_a_plateau_that_may_go_on_below():
    steps = threshold_steps([make_footage(scores_of(60, [(10, 20)]), [(10, 20)])], EACH, 0.05)
    plateau, met = best_plateau(steps, Goal())
    assert met
    assert (plateau.above, plateau.reaches_floor) == (0.05, True)
    assert "the score floor" in plateau.text()


def test_distances_are_of_calibrated_probability_where_there_is_a_calibration():
    steps = threshold_steps([make_footage(scores_of(60, [(10, 20)]), [(10, 20)])], EACH, 0.05)
    # The probability is .5 at a score of .7.
    scale = Scale(intercept=-20 * np.log(0.7 / 0.3), slope=20.0)
    plateau, _ = best_plateau(steps, Goal(), scale=scale)
    assert plateau.middle == pytest.approx(0.7, abs=0.01)
    assert plateau.unit == "calibrated probability"
    clips = [noisy(seed) for seed in range(4)]
    assert advised(clips).plateau.unit == "calibrated probability"


def test_hysteresis_is_kept_while_the_threshold_moves():
    grid = RuleGrid(**{**ONE.to_dict(), "exit_share": [0.5]})
    debounce = advised(with_hole(), grid=grid).found.rule.default.debounce
    assert debounce.exit_threshold == pytest.approx(debounce.enter_threshold / 2)


def test_a_rule_that_does_as_well_is_kept_and_every_result_says_so():
    advice = advised(noisy(), in_use(0.32))
    assert advice.is_kept
    assert enter_of(advice) == 0.32
    row = advice.to_dict()
    assert row["kept"]
    assert row["verdict"].startswith("nothing here is better than your rule")
    assert row["rule_hash"] == row["in_use"]["rule_hash"] != row["found"]["rule_hash"]
    assert row["plateau"]["from"] < 0.32 <= row["plateau"]["to"]


def test_one_clip_is_resampled_by_event():
    # One of ten is missed: too little to tell. All are missed: the other rule is better.
    scores = noisy().scores(None).copy()
    scores[20:33] *= 0.62
    present = noisy().present / 1e6
    clip = make_footage(scores, present)
    few = advised(clip, in_use(0.46))
    assert few.found.fitted["f1"] > few.in_use.fitted["f1"]
    assert few.is_kept
    assert few.difference.by == "event"
    low, high = few.difference.interval
    assert low <= 0 <= high
    assert "cannot be told apart" in few.verdict
    assert not advised(clip, in_use(0.96)).is_kept


def test_one_event_has_no_interval_and_that_is_said():
    advice = advised(make_footage(scores_of(60, [(10, 20)], 0.6), [(10, 20)]))
    assert not advice.is_kept
    assert advice.difference.interval is None
    assert "too little footage" in advice.verdict
    assert advice.held_out is None


def test_a_rule_is_better_only_where_held_out_sites_tell_it_apart():
    clips = [noisy(10 * s + c, site=f"site {s}") for s in range(5) for c in range(2)]
    better = advised(clips, in_use(0.9))
    assert not better.is_kept
    assert (better.difference.by, better.difference.groups) == ("site", 5)
    assert better.difference.is_held_out
    assert better.difference.interval[0] > 0
    assert advised(clips, in_use(0.4)).is_kept


def test_a_rule_that_misses_what_the_goal_asks_for_is_not_kept():
    clips = [noisy(s, site=f"site {s}") for s in range(5)]
    advice = advised(clips, in_use(0.9), Goal(kind="recall", least_recall=0.9))
    assert advice.met
    assert not advice.is_kept
    assert "does not reach the goal" in advice.verdict
    kept = advised(clips, in_use(0.4), Goal(kind="false", most_false_per_hour=1.0))
    assert kept.is_kept


def test_a_sweep_from_a_file_needs_its_footage(tmp_path):
    clip = noisy()
    swept = sweep_footage([clip], "x", ONE, floor=0.05, base=in_use(0.4))
    swept.save(tmp_path / "a.npz")
    alone = load_sweep(tmp_path / "a.npz")
    assert any("Sweep.over" in note for note in recommend(alone).notes)
    again = recommend(alone.over([clip]))
    assert again.to_dict() == recommend(swept).to_dict()
    assert recommend(alone.over([clip], in_use(0.95))).in_use.fitted["tp"] == 0
    with pytest.raises(lab.LabError, match="sweep again"):
        alone.over([])


def test_a_grid_leaves_no_range_of_the_score_untried():
    dice = np.random.default_rng(0)
    scores = np.concatenate([[0.06], dice.uniform(0.9, 0.95, 500)])
    for n in (5, 24, 200):
        grid = RuleGrid(thresholds=n).with_thresholds([make_footage(scores, [])], 0.05)
        steps = np.diff([0.05, *grid.enter_threshold])
        assert len(grid.enter_threshold) <= n
        assert steps.max() < 0.9 / (n // 2 + 1) + 0.002
        assert max(grid.enter_threshold) == np.float32(scores).max()
        assert sum(t > 0.9 for t in grid.enter_threshold) >= (n - n // 2) // 2


def test_a_difference_in_f1_is_that_of_comparisons():
    dice = np.random.default_rng(1)
    one, other = dice.integers(0, 9, (2, 6, 3))
    assert paired_difference(one, other, np.ones(6), "f1", 3) == paired_gain(one, other, 3)
    value, (low, high) = paired_difference(one, other, np.full(6, 0.5), "false_per_hour")
    assert value == pytest.approx((one[:, 1].sum() - other[:, 1].sum()) / 3)
    assert low <= value <= high
