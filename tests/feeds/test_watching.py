"""Events of `lab.watch` wait for whoever takes them, and memory stays bounded where nobody does."""

from dataclasses import replace

import pytest

from lab.feeds import watching as module
from lab.feeds.watching import Watching
from lab.sinks.trial import events_of_test
from lab.store.store import Store


@pytest.fixture
def waiting(tmp_path, monkeypatch):
    """Two wait with their pictures, five in all."""
    monkeypatch.setattr(module, "_MOST_PICTURES", 2)
    monkeypatch.setattr(module, "_MOST_WAITING", 5)
    return Watching([], {}, Store(tmp_path), timeout_s=0.0)


def numbered(count):
    return [replace(events_of_test()[0], sequence=at) for at in range(count)]


def test_events_that_nobody_takes_lose_their_pictures_and_then_the_oldest_go(waiting):
    events = numbered(7)
    assert all(event.picture_jpeg and event.plain_jpeg for event in events)
    for event in events:
        waiting._tell(event)
    kept = list(waiting._events.queue)
    assert [event.sequence for event in kept] == [2, 3, 4, 5, 6]
    assert not any(event.picture_jpeg or event.plain_jpeg for event in kept)


def test_events_that_are_taken_in_time_keep_their_pictures(waiting):
    for event in numbered(7):
        waiting._tell(event)
        assert waiting._events.get_nowait() == event
