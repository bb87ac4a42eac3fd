"""Who stands for whom: one to one, as many as possible, against references."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import SettingError
from lab.evaluation import kernels
from lab.evaluation.matching import Matching, match
from lab.evaluation.rates import f1_interval, proportion_interval, rate_interval
from tests.random_examples import examples


@st.composite
def presences(draw, most=6, limit=60):
    """Disjoint stretches in whole seconds, as int64 (n, 2) in microseconds."""
    cuts = sorted(draw(st.sets(st.integers(0, limit), max_size=2 * most)))
    pairs = [cuts[i : i + 2] for i in range(0, len(cuts) - 1, 2)]
    return np.array(pairs, np.int64).reshape(-1, 2) * 1_000_000


def exact(spans):
    """Edges without brackets."""
    return np.ascontiguousarray(spans[:, [0, 0, 1, 1]])


def tiou(a, b):
    both = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return both / (max(a[1], b[1]) - min(a[0], b[0]))


def best_by_trying_all(seen, true, fits):
    """(most pairs, largest sum of IoU among those)."""
    best = (0, 0.0)
    few, many = (seen, true) if len(seen) <= len(true) else (true, seen)
    for order in itertools.permutations(range(len(many)), len(few)):
        pairs = [(few[i], many[j]) for i, j in enumerate(order)]
        if few is true:
            pairs = [(b, a) for a, b in pairs]
        kept = [tiou(a, b) for a, b in pairs if fits(a, b)]
        best = max(best, (len(kept), sum(kept)))
    return best


@examples(300)
@given(presences(4), presences(4), st.sampled_from([0.1, 0.3, 0.5, 0.75]))
def test_matching_by_iou_is_the_best_that_trying_all_finds(seen, true, least):
    partner, tious = match(exact(seen), true, Matching(tiou=least))
    count, joined = best_by_trying_all(seen, true, lambda a, b: tiou(a, b) >= least)
    assert (partner >= 0).sum() == count
    assert tious.sum() == pytest.approx(joined)
    taken = partner[partner >= 0]
    assert len(set(taken.tolist())) == len(taken)


@examples(300)
@given(presences(4), presences(4), st.sampled_from([0.0, 1.0, 3.0]), st.sampled_from([0.0, 0.5]))
def test_matching_by_collar_is_the_best_that_trying_all_finds(seen, true, collar_s, share):
    def fits(a, b):
        reach = max(collar_s * 1e6, share * (b[1] - b[0]))
        return abs(a[0] - b[0]) <= collar_s * 1e6 and abs(a[1] - b[1]) <= reach

    rule = Matching(criterion="collar", collar_s=collar_s, collar_share=share)
    partner, _ = match(exact(seen), true, rule)
    assert (partner >= 0).sum() == best_by_trying_all(seen, true, fits)[0]


@examples(100)
@given(presences(12, 400), presences(12, 400), st.sampled_from([0.5, 2.0, 8.0]))
def test_collar_counts_agree_with_sed_eval(peers, seen, true, collar_s):
    sed_eval = peers("sed_eval")

    def events(spans):
        return [
            {"event_onset": a / 1e6, "event_offset": b / 1e6, "event_label": "x", "file": "f"}
            for a, b in spans.tolist()
        ]

    metrics = sed_eval.sound_event.EventBasedMetrics(
        ["x"], t_collar=collar_s, percentage_of_length=0.5, event_matching_type="optimal"
    )
    metrics.evaluate(events(true), events(seen))
    theirs = metrics.class_wise["x"]
    partner, _ = match(exact(seen), true, Matching(criterion="collar", collar_s=collar_s))
    tp = int((partner >= 0).sum())
    assert tp == theirs["Ntp"]
    assert len(seen) - tp == theirs["Nfp"]
    assert len(true) - tp == theirs["Nfn"]


@pytest.mark.parametrize("share", [0.07, 0.29, 0.57, 0.58])
def test_an_offset_exactly_at_its_share_of_the_length_fits(share):
    # In floating point 0.29 x 100 s is less than 29 s.
    truth = np.array([[0, 100_000_000]], np.int64)
    rule = Matching(criterion="collar", collar_s=0.5, collar_share=share)
    off_us = round(share * 100) * 1_000_000
    for late_us, found in ((0, [0]), (1, [-1])):
        edges = exact(np.array([[0, 100_000_000 + off_us + late_us]], np.int64))
        assert match(edges, truth, rule)[0].tolist() == found


def test_an_edge_within_its_bracket_is_no_error():
    # Sampled each second: seen at 3 and 4, so it began in (2, 3] and ended in [4, 5).
    edges = np.array([[2, 3, 4, 5]], np.int64) * 1_000_000
    truth = np.array([[2_200_000, 4_900_000]], np.int64)
    _, tious = match(edges, truth, Matching(tiou=0.99))
    assert tious.tolist() == [1.0]
    observed = Matching(tiou=0.1, edges="observed")
    assert match(observed.taken(edges), truth, observed)[1][0] == pytest.approx(1 / 2.7)


@examples(200)
@given(presences(8), st.integers(0, 12), st.integers(0, 12))
def test_a_chain_merges_what_begins_within_the_gap_and_drops_what_is_short(seen, gap, least):
    out = kernels.chain(exact(seen), gap * 1_000_000, least * 1_000_000)
    expected = []
    for a, b in seen.tolist():
        if expected and a - expected[-1][1] <= gap * 1_000_000:
            expected[-1][1] = b
        else:
            expected.append([a, b])
    assert out[:, [0, 3]].tolist() == [s for s in expected if s[1] - s[0] >= least * 1_000_000]


def test_intervals_are_those_of_the_books():
    assert proportion_interval(5, 5) == pytest.approx((0.4782, 1.0), abs=1e-4)
    assert proportion_interval(3, 10) == pytest.approx((0.0667, 0.6525), abs=1e-4)
    assert proportion_interval(0, 0) is None
    low, high = rate_interval(0, 2.0)
    assert low == 0
    assert high == pytest.approx(1.5, abs=5e-3)
    assert rate_interval(4, 1.0) == pytest.approx((1.0899, 10.2416), abs=1e-4)
    assert rate_interval(1, 0.0) is None
    assert f1_interval(6, 0, 0) == pytest.approx((2 * 0.5407 / 1.5407, 1.0), abs=1e-4)


@pytest.mark.parametrize(
    "wrong", [{"tiou": 0}, {"tiou": 1.1}, {"criterion": "x"}, {"edges": "x"}, {"collar_s": -1}]
)
def test_a_matching_rule_is_checked_at_birth(wrong):
    with pytest.raises(SettingError):
        Matching(**wrong)
