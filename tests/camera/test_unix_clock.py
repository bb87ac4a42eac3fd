"""Times of the day differ by exactly what passed, whatever happens to the clock of the system."""

import pytest

from lab.app.server.camera import unix_clock as module
from lab.app.server.camera.unix_clock import UnixClock


class Clocks:
    """Two clocks; `day_s` is how far that of the day is ahead. held_s: how long this process is
    stopped once it has asked for the time of the day.
    """

    def __init__(self):
        self.now, self.day_s, self.held_s = 100.0, 1e9, 0.0

    def monotonic(self):
        return self.now

    def time(self):
        told = self.now + self.day_s
        self.now, self.held_s = self.now + self.held_s, 0.0
        return told


@pytest.fixture
def clocks(monkeypatch):
    made = Clocks()
    monkeypatch.setattr(module, "time", made)
    return made


def test_a_step_or_a_pause_between_two_looks_moves_no_time(clocks):
    clock = UnixClock()
    found = [clock.unix_s(clocks.now)]
    for clocks.day_s, clocks.held_s in [(1e9 + 0.3, 0.0), (1e9 - 0.9, 0.0), (1e9, 0.5), (1e9, 0)]:
        found.append(clock.unix_s(100.0))
    assert found == [1e9 + 100.0] * 5


def test_a_clock_that_is_set_is_followed_at_once_and_a_long_pause_is_not(clocks):
    clock = UnixClock()
    clocks.held_s = 3.0
    assert clock.unix_s(100.0) == 1e9 + 100.0
    clocks.day_s += 3600
    assert clock.unix_s(200.0) == 1e9 + 3600 + 200.0
    assert clock.unix_s(201.0) == 1e9 + 3600 + 201.0
