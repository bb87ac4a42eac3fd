"""Which frames leave, and when: exact at any rate, over any number of loops."""

import itertools
from fractions import Fraction

import pytest

from lab.video.camera.schedule import Schedule

NTSC = Fraction(30000, 1001)
TICK = Fraction(1, 30000)


def ntsc(frames=300, fps=None):
    return Schedule([i * 1001 for i in range(frames)], 1001, TICK, fps)


def departures(schedule, loops):
    return [one for loop in range(loops) for one in schedule.loop(loop)]


def test_the_medias_own_rate_is_exact_after_a_thousand_loops():
    schedule = ntsc()
    assert schedule.rate == NTSC
    last = list(schedule.loop(999))[-1]
    assert last.due_s == float((300 * 1000 - 1) / NTSC)


def test_a_lower_rate_leaves_frames_out_and_keeps_the_pace():
    schedule = ntsc(fps=Fraction(10))
    found = departures(schedule, 30)
    length_s = 30 * 300 / NTSC
    assert len(found) == pytest.approx(float(length_s * 10), abs=1)
    steps = [b.due_s - a.due_s for a, b in itertools.pairwise(found)]
    assert all(1.9 / NTSC < step < 3.1 / NTSC for step in steps), "over the ends of loops, too"
    assert found[0].due_s == 0


@pytest.mark.parametrize("fps", [Fraction(2997, 100), NTSC, Fraction(30), Fraction(120)])
def test_a_rate_that_the_media_has_not_more_than_changes_nothing(fps):
    assert departures(ntsc(fps=fps), 40) == departures(ntsc(), 40)


def test_an_integer_below_the_medias_rate_is_that_rate():
    found = departures(ntsc(fps=Fraction(29)), 30)
    assert len(found) == pytest.approx(float(30 * 300 / NTSC * 29), abs=1)


def test_a_loop_can_begin_anywhere_and_at_once():
    for schedule in (ntsc(), ntsc(fps=Fraction(7)), Schedule([0, 40, 50, 4000], 5, TICK)):
        for loop_index in (0, 3):
            whole = list(schedule.loop(loop_index))
            for begun, one in enumerate(whole):
                assert list(schedule.loop(loop_index, one.due_s)) == whole[begun:]
            assert list(schedule.loop(loop_index, whole[-1].due_s + 1e-6)) == []
        assert schedule.last == list(schedule.loop(0))[-1]
    loop = ntsc().loop(0)
    assert iter(loop) is loop, "nothing is found before it is asked for"


def test_a_media_of_variable_rate_keeps_its_times():
    times = [0, 40, 50, 1000, 4000]
    schedule = Schedule(times, 500, Fraction(1, 1000))
    assert [one.due_s for one in schedule.loop(0)] == [0, 0.04, 0.05, 1, 4]
    assert [one.due_s for one in schedule.loop(2)] == [9, 9.04, 9.05, 10, 13]


def test_a_burst_of_a_variable_rate_is_thinned_to_the_rate_that_was_asked_for():
    times = [*range(0, 200, 10), 5000, 9000]
    schedule = Schedule(times, 500, Fraction(1, 1000), Fraction(20))
    due = [one.due_s for one in schedule.loop(0)]
    assert due == [0, 0.05, 0.1, 0.15, 5, 9]


def test_times_that_are_rounded_to_milliseconds_lose_no_frame():
    times = [round(i * 1000 / NTSC) for i in range(3000)]
    schedule = Schedule(times, 33, Fraction(1, 1000), NTSC)
    assert len(list(schedule.loop(0))) == 3000


def test_a_tick_may_be_a_whole_frame():
    schedule = Schedule(list(range(300)), 1, Fraction(1, 30), Fraction(10))
    assert [one.frame_index for one in schedule.loop(0)][:4] == [0, 3, 6, 9]
    assert next(schedule.loop(1)).due_s == 10


def test_a_media_that_does_not_begin_at_zero_begins_at_once():
    schedule = Schedule([5000, 5040], 40, Fraction(1, 1000))
    assert [one.due_s for one in (*schedule.loop(0), *schedule.loop(1))] == [0, 0.04, 0.08, 0.12]


def test_a_rate_below_one_frame_a_loop_skips_loops():
    schedule = Schedule([0, 500], 500, Fraction(1, 1000), Fraction(1, 3))
    found = departures(schedule, 10)
    assert [(one.loop_index, one.frame_index, one.due_s) for one in found] == [
        (0, 0, 0), (3, 0, 3), (6, 0, 6), (9, 0, 9)
    ]  # fmt: skip


def test_the_loop_of_a_moment_is_found():
    schedule = ntsc()
    assert [schedule.position(at) for at in (-1, 0, 10, 10.02, 100.2)] == [0, 0, 0, 1, 10]


def test_what_leaves_between_two_times_is_counted():
    schedule = ntsc(fps=Fraction(10))
    due = [one.due_s for one in departures(schedule, 5)]
    assert schedule.count(due[3], due[120], loops=True) == 117
    assert schedule.count(due[3], due[120], loops=False) == len(list(schedule.loop(0))) - 3


def test_the_last_picture_is_repeated_at_the_cameras_rate():
    schedule = ntsc(fps=Fraction(5))
    assert schedule.repeats_after(10.0, 3) == 10.6
