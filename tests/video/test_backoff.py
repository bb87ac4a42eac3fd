"""Waiting before a connection is tried again."""

from random import Random

from lab.video.live.backoff import Backoff


class Middle(Random):
    def random(self):
        return 0.5


def test_delays_rise_for_ever_and_begin_again_after_a_minute_of_health():
    backoff = Backoff(Middle())
    assert [backoff.failed(1.0) for _ in range(7)] == [2, 5, 15, 30, 60, 60, 60]
    assert backoff.failed(59.9) == 60
    assert backoff.failed(60.0) == 2
    assert backoff.failed(0.0) == 5


def test_feeds_that_fell_together_do_not_come_back_together():
    delays = {Backoff(Random(n)).failed(0) for n in range(20)}
    assert len(delays) > 15
    assert all(1.6 <= delay <= 2.4 for delay in delays)
