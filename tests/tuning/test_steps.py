"""The counts of a rule at every threshold are what a sweep counts, threshold by threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.evaluation import kernels
from lab.evaluation.matching import Matching, edges_of_rows
from lab.rules.replay import replay_rows
from lab.rules.rule import Debounce, LabelRule
from lab.tuning.rule_grid import exit_of
from lab.tuning.steps import threshold_steps
from tests.builders import make_footage
from tests.random_examples import examples

LEVELS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8]


@st.composite
def clips(draw, n=60):
    scores = draw(st.lists(st.sampled_from(LEVELS), min_size=n, max_size=n))
    cuts = sorted(draw(st.sets(st.integers(0, 2 * n), max_size=8)))
    edges = sorted(draw(st.sets(st.integers(0, n), min_size=2, max_size=4)))
    present = [(a / 2, b / 2) for a, b in zip(cuts[::2], cuts[1::2])]
    return make_footage(scores, present, covered=list(zip(edges[::2], edges[1::2])))


@st.composite
def debounces(draw):
    needed = draw(st.integers(1, 4))
    return Debounce(
        enter_threshold=0.5,
        exit_threshold=draw(st.sampled_from([0.5, 0.5, 0.4, 0.25, 0.1])),
        enter_frames=needed,
        enter_window=needed + draw(st.integers(0, 3)),
        exit_frames=draw(st.integers(1, 4)),
        merge_gap_s=draw(st.sampled_from([0.0, 0.0, 2.0, 6.0])),
        min_duration_s=draw(st.sampled_from([0.0, 0.0, 1.0, 4.0])),
    )


def matchings():
    return st.builds(
        Matching,
        criterion=st.sampled_from(["tiou", "collar"]),
        tiou=st.sampled_from([0.1, 0.3, 0.5]),
        collar_s=st.sampled_from([0.0, 0.5, 4.0]),
        collar_share=st.sampled_from([0.0, 0.5]),
        edges=st.sampled_from(["bracket", "observed", "held"]),
    )


def counted(clip, debounce, matching):
    """tp, fp, fn of one rule by a whole replay."""
    rows, n = replay_rows(clip.pts_us, clip.scores(None), debounce)
    edges = edges_of_rows(rows[:n], clip.pts_us, clip.start_us, clip.end_us)
    segments, _ = kernels.clip_edges(matching.taken(edges), clip.covered)
    return list(kernels.count_matches(segments, clip.present, clip.counted, *matching.arguments))


def check(clip, debounce, matching, thresholds, floor):
    steps = threshold_steps([clip], LabelRule(debounce=debounce), floor, matching)
    share = debounce.exit_threshold / debounce.enter_threshold
    low, high = steps.limits()
    totals = steps.totals()
    for t in thresholds:
        rule = debounce.changed(enter_threshold=t, exit_threshold=exit_of(t, share, floor))
        expected = counted(clip, rule, matching)
        assert steps.at(t).tolist() == [expected], t
        stretch = np.flatnonzero((low < t) & (t <= high))
        assert t == floor or totals[stretch].tolist() == [expected]


@examples(150)
@given(clips(), debounces(), matchings())
def test_every_threshold_counts_what_a_replay_counts(clip, debounce, matching):
    if clip.covered_us:
        check(clip, debounce, matching, np.linspace(0.05, 1, 39), 0.05)


@pytest.mark.long
@examples(2_000)
@given(clips(), debounces(), matchings())
def test_a_long_search_finds_no_threshold_that_counts_otherwise(clip, debounce, matching):
    if clip.covered_us:
        check(clip, debounce, matching, np.linspace(0.05, 1, 39), 0.05)


@pytest.mark.parametrize("seed", range(4))
def test_noise_and_presences_of_many_scores_count_the_same(seed):
    dice = np.random.default_rng(seed)
    scores = np.clip(dice.normal(0.15, 0.08, 1500), 0, 1)
    present = [(a, a + int(dice.integers(3, 40))) for a in range(20, 1450, 90)]
    for a, b in present:
        scores[a : b + 1] = np.clip(dice.normal(0.5, 0.2, b - a + 1), 0, 1)
    clip = make_footage(scores, present)
    debounce = Debounce(
        enter_threshold=0.5, exit_threshold=0.5 - 0.1 * (seed % 2), enter_frames=1 + seed,
        exit_frames=4 - seed, merge_gap_s=3.0 * (seed % 3), min_duration_s=1.0 * (seed % 2),
    )  # fmt: skip
    some = dice.choice(np.float32(scores[scores > 0.06]).astype(float), 120)
    check(clip, debounce, Matching(), some, 0.05)


def test_clips_are_summed_and_can_be_left_out():
    clips = [make_footage([0.2] * 10 + [t] * 10, [(10, 20)], name=f"{t}") for t in (0.5, 0.7)]
    rule = LabelRule(debounce=Debounce(enter_frames=1, exit_frames=1))
    steps = threshold_steps(clips, rule, 0.05)
    assert steps.totals(np.array([True, False]))[-1].tolist() == steps.at(0.1)[0].tolist()
    assert steps.at(0.6).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert steps.hours() == pytest.approx(40 / 3600)
    wide = Debounce(enter_frames=1, enter_window=63)
    assert threshold_steps(clips, LabelRule(debounce=wide), 0.05) is None
