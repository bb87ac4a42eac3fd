"""Limits of rates against scipy, statsmodels and published values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.charts.intervals import clustered_rates, count_rates, draws, rate_ratio, ratio_interval
from lab.evaluation.rates import rate_interval


def test_counts_in_hours_have_the_exact_limits_of_garwood():
    counts, hours = np.array([0, 1, 10, 500]), np.array([2.0, 1.0, 1.0, 25.0])
    low, high = count_rates(counts, hours)
    assert low[1:] == pytest.approx(stats.chi2.ppf(0.025, 2 * counts[1:]) / 2 / hours[1:])
    assert high[1:] == pytest.approx(stats.chi2.ppf(0.975, 2 * counts[1:] + 2) / 2 / hours[1:])
    assert (low[2], high[2]) == pytest.approx((4.795, 18.390), abs=1e-3)  # Garwood's table
    assert (low[0], high[0]) == pytest.approx((0, -np.log(0.05) / 2))  # the rule of three


def test_where_no_time_passed_there_are_no_limits():
    low, high = count_rates(np.array([[0, 3]]), np.array([[0.0, 0.0]]))
    assert np.isnan([low, high]).all()
    low, high = clustered_rates(np.array([[0, 3], [0, 4]]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] < 3.5 < high[1]
    assert all(len(limit) == 3 for limit in clustered_rates(np.zeros((0, 3)), np.zeros((0, 3))))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0.1, 20)), min_size=1, max_size=12))
def test_limits_from_groups_hold_the_rate_and_are_no_narrower_than_exact_ones(groups):
    counts, hours = np.array(groups).T
    low, high = clustered_rates(counts[:, None], hours[:, None])
    exact = rate_interval(int(counts.sum()), hours.sum())
    assert low[0] <= exact[0] + 1e-12
    assert high[0] >= exact[1] - 1e-12
    assert low[0] <= counts.sum() / hours.sum() <= high[0]


def test_bouts_make_limits_wider():
    even, bouts = np.full((30, 1), 5), np.zeros((30, 1))
    bouts[::10] = 50
    hours = np.full((30, 1), 2.0)
    assert np.ptp(clustered_rates(bouts, hours)) > 2 * np.ptp(clustered_rates(even, hours))


def test_limits_from_groups_are_those_of_a_plain_bootstrap():
    random = np.random.default_rng(0)
    hours = random.uniform(1, 9, 60)
    counts = random.negative_binomial(1, 0.05, 60)
    low, high = clustered_rates(counts[:, None], hours[:, None])
    found = stats.bootstrap(
        (counts, hours), lambda c, h: c.sum() / h.sum(), paired=True, vectorized=False,
        method="percentile", n_resamples=2000, rng=random,
    ).confidence_interval  # fmt: skip
    assert (low[0], high[0]) == pytest.approx((found.low, found.high), rel=0.04)


def test_each_resample_has_as_many_groups_as_there_are():
    assert set(draws(7).sum(axis=1)) == {7}
    assert np.array_equal(draws(7), draws(7))


def test_more_groups_than_are_resampled_are_taken_together():
    random = np.random.default_rng(1)
    counts, hours = random.poisson(3, (1000, 2)), np.ones((1000, 2))
    low, high = clustered_rates(counts, hours)
    assert (low < 3.2).all()
    assert (high > 2.8).all()


def test_the_ratio_of_two_counts_is_that_of_poisson_test_in_r():
    # poisson.test(c(11, 6+8+7), c(800, 1083+1050+878)), of its help page.
    one, other = ((np.array([n]), np.array([t])) for n, t in ((11, 800.0), (21, 3011.0)))
    assert rate_ratio(one, other) == pytest.approx((1.971488, 0.8584264, 4.2772659), rel=1e-5)


def test_a_ratio_to_nothing_has_a_lower_limit_alone():
    some, none = (np.array([9, 8]), np.ones(2)), (np.array([0, 0]), np.ones(2))
    ratio, low, high = rate_ratio(some, none)
    assert (ratio, high) == (np.inf, np.inf)
    assert low > 1
    assert np.isnan(rate_ratio(none, none)).all()
    assert np.isnan(rate_ratio(some, (np.zeros(0), np.zeros(0)))).all()


def test_a_share_of_time_has_limits_from_the_spread_between_clips():
    part, whole = np.array([1.0, 2.0, 0.5, 4.0]), np.array([4.0, 5.0, 2.0, 9.0])
    low, high = ratio_interval(part, whole, np.zeros(4, int), 2)
    ratio = part.sum() / whole.sum()
    spread = np.sqrt(4 / 3 * ((part - ratio * whole) ** 2).sum()) / whole.sum()
    reach = stats.t.ppf(0.975, 3) * spread
    assert (low[0], high[0]) == pytest.approx((max(0, ratio - reach), ratio + reach))
    assert np.isnan([low[1], high[1]]).all()
    low, _ = ratio_interval(part[:1], whole[:1], np.zeros(1, int), 1)
    assert np.isnan(low).all()  # one clip says nothing of the others
