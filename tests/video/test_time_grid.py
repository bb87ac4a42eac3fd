"""The time grid, against a brute-force reference in rationals."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import SettingError
from lab.video.time_grid import choose, to_us
from tests.random_examples import examples

BASES = [
    Fraction(1, 1000),
    Fraction(1, 90_000),
    Fraction(1001, 30_000),
    Fraction(1, 10),
    Fraction(1, 3),
]


def brute_force(pts, every_s, time_base, frame_ticks=None):
    """Walk the grid points; each takes the first frame at or after it."""
    every, early = Fraction(str(every_s)), max(Fraction(1, 1000), time_base)
    if frame_ticks is not None:
        early = min(early, frame_ticks * time_base / 2)
    seconds = [(p - pts[0]) * time_base for p in pts]
    taken, k = set(), 0
    while pts and k * every - early <= seconds[-1]:
        taken.add(next(i for i, t in enumerate(seconds) if t >= k * every - early))
        k += 1
    return sorted(taken)


@examples(100)
@given(
    start=st.integers(-500, 10**9),
    steps=st.lists(st.integers(1, 400), max_size=80),
    every_s=st.sampled_from([0.04, 0.1, 0.2, 0.3, 1.0, 2.5]),
    time_base=st.sampled_from(BASES),
    frame_ticks=st.sampled_from([None, 1, 2, 33]),
)
def test_sampling_equals_the_rational_reference(start, steps, every_s, time_base, frame_ticks):
    pts = [start]
    for step in steps:
        pts.append(pts[-1] + step)
    pts = [p for p in pts if (p - start) * time_base < 300]
    expected = brute_force(pts, every_s, time_base, frame_ticks)
    assert choose(pts, every_s, time_base, frame_ticks) == expected


def test_a_float_grid_would_drift_where_this_does_not():
    pts = range(0, 300_000, 100)
    assert choose(pts, 0.2, Fraction(1, 1000)) == list(range(0, 3000, 2))


def test_zero_samples_every_frame():
    assert choose([5, 6, 9], 0, Fraction(1, 10)) == [0, 1, 2]


def test_a_frame_a_tick_early_satisfies_its_point():
    assert choose([0, 33, 67, 99, 133], 0.1, Fraction(1, 1000)) == [0, 3]


@pytest.mark.parametrize("every_s", [-1, "often", float("nan")])
def test_an_interval_that_is_none_is_refused(every_s):
    with pytest.raises(SettingError, match="every_s"):
        choose([0], every_s, Fraction(1, 10))


def test_microseconds_round_half_away_from_zero():
    assert [to_us(p, Fraction(1, 2_000_000)) for p in (1, 3, -1)] == [1, 2, -1]
