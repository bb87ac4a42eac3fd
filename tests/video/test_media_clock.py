"""Media time goes on over reconnects and jumps, and within a connection is the stream's own."""

from fractions import Fraction

from lab.video.live.media_clock import Epoch, MediaClock

TICKS = Fraction(1, 90_000)


def place(clock, seconds, arrival_s, time_base=TICKS):
    return clock.place(int(seconds / time_base), time_base, int(arrival_s * 1e6), 0.0)


def test_a_connection_begins_at_nought_and_keeps_the_streams_times_however_late_frames_come():
    clock = MediaClock()
    assert place(clock, 4000.0, 2.0) == (0, True)
    assert place(clock, 4000.04, 2.0) == (40_000, False)  # a burst
    assert place(clock, 4000.08, 14.0) == (80_000, False)  # held up for 12 s, then all of it comes


def test_a_new_connection_begins_as_much_later_as_has_passed():
    clock = MediaClock(last_us=60_000_000, since_us=7_000_000)
    assert place(clock, 0.0, 1.5) == (68_500_000, True)
    assert place(clock, 0.04, 1.54) == (68_540_000, False)


def test_a_clock_that_jumps_by_an_hour_either_way_begins_an_epoch_and_moves_nothing():
    for jump_s in (3600, -3600):
        clock = MediaClock()
        place(clock, 5000, 0.0)
        assert place(clock, 5001, 1.0) == (1_000_000, False)
        assert place(clock, 5002 + jump_s, 2.0) == (2_000_000, True)
        assert place(clock, 5003 + jump_s, 3.0) == (3_000_000, False)


def test_a_stream_that_lost_a_stretch_which_has_passed_goes_on():
    clock = MediaClock()
    place(clock, 0, 0.0)
    assert place(clock, 25, 25.0) == (25_000_000, False)


def test_what_was_held_up_and_is_caught_up_with_moves_nothing():
    clock = MediaClock()
    place(clock, 0, 0.0)
    for i in range(1, 100):  # a second of video each second; from 10 to 19 s nothing came
        arrival_s = 19.0 if 10 <= i < 19 else float(i)
        assert place(clock, i, arrival_s) == (i * 1_000_000, False)


def test_a_stream_whose_clock_stood_still_goes_on_at_the_time_that_has_passed():
    clock = MediaClock()
    place(clock, 0, 0.0)
    epochs = []
    for i in range(1, 100):  # its sender was stopped for 9.5 s and then went on where it was
        media_us, begins = place(clock, i, float(i) if i < 20 else i + 9.5)
        if begins:
            epochs.append((i, media_us))
    assert epochs == [(30, 39_500_000)]
    assert media_us == 99_000_000 + 9_500_000


def test_a_stream_whose_clock_is_slow_is_set_right_again_and_again():
    clock = MediaClock()
    place(clock, 0, 0.0)
    late = []
    for i in range(1, 1000):
        media_us, _ = place(clock, i * 0.99, float(i))
        late.append(i - media_us / 1e6)
    assert max(late) < 3.5
    assert min(late) > -1


def test_the_times_of_a_clip_that_is_played_here_hold_on_a_busy_machine():
    clock = MediaClock(may_stand=False)
    place(clock, 0, 0.0)
    for i in range(1, 100):
        assert place(clock, i, i * 1.5) == (i * 1_000_000, False)


def test_time_rises_even_where_frames_of_two_epochs_come_at_one_instant():
    clock = MediaClock()
    place(clock, 10, 1.0)
    assert place(clock, 3, 1.0) == (1_000, True)


def test_an_epoch_is_kept_exactly():
    epoch = Epoch(123_456_789, Fraction(1001, 30_000), 40_000, 1_700_000_000.25, 7)
    assert Epoch.from_dict(epoch.to_dict()) == epoch
