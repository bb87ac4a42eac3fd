"""Feeds share one model: each gets its turn, and none spoils what another gets."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.errors import DetectorError
from lab.feeds.shared_detector import SharedModel, SharedModels
from lab.frame import Frame
from tests.feeds.lamp import wait_for

BAD = 255


class Counting(Detector):
    """Notes which frames it was given together; waits where it is held."""

    def __init__(self, batch_size=1):
        self.batch_size = batch_size
        self.calls = []
        self.closed = 0
        self.may_go = threading.Event()
        self.may_go.set()

    def detect(self, frames):
        if self.closed:
            raise AssertionError("it was closed")
        self.calls.append([(frame.index, frame.image_bgr.shape) for frame in frames])
        assert self.may_go.wait(60)
        if any(frame.image_bgr[0, 0, 0] == BAD for frame in frames):
            raise ValueError("a bad picture")
        return [Detections() for _ in frames]

    def recipe(self):
        return {"detector": "counting"}

    def close(self):
        self.closed += 1

    @property
    def feeds(self):
        """Whose frames they were, in the order in which they were analysed."""
        return [index for call in self.calls for index, _ in call]


def frame_of(feed, width=8, value=0):
    return Frame(np.full((6, width, 3), value, np.uint8), feed, 0, 0.0)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as pool:
        yield pool


class Held:
    """A model that is busy with a frame of feed 99, and what others ask of it meanwhile."""

    def __init__(self, detector, pool):
        self.detector, self.pool = detector, pool
        detector.may_go.clear()
        self.model = SharedModel(detector)
        self.asked = [pool.submit(self.model.detect, [frame_of(99)])]
        wait_for(lambda: detector.calls, "the first call")

    def ask(self, frame):
        waiting = len(self.model._waiting)
        self.asked.append(self.pool.submit(self.model.detect, [frame]))
        wait_for(lambda: len(self.model._waiting) > waiting, "the question")

    def go(self):
        self.detector.may_go.set()
        for one in self.asked:
            one.exception(60)
        self.model.close()
        return self.detector.calls[1:]


def test_a_feed_that_asks_ten_times_as_often_keeps_no_other_waiting(pool):
    detector = Counting()
    held = Held(detector, pool)
    for feed in (1, 2, 3):
        held.ask(frame_of(feed))
    greedy = pool.submit(lambda: [held.model.detect([frame_of(0)]) for _ in range(10)])
    wait_for(lambda: len(held.model._waiting) == 4, "the question")
    detector.may_go.set()
    greedy.result(60)
    held.go()
    assert detector.feeds == [99, 1, 2, 3] + [0] * 10


def test_it_takes_its_place_behind_those_that_came_while_it_was_served(pool):
    detector = Counting()
    held = Held(detector, pool)
    greedy = pool.submit(lambda: [held.model.detect([frame_of(0)]) for _ in range(10)])
    wait_for(lambda: len(held.model._waiting) == 1, "the question")
    for feed in (1, 2, 3):
        held.ask(frame_of(feed))
    detector.may_go.set()
    greedy.result(60)
    held.go()
    assert detector.feeds == [99, 0, 1, 2, 3] + [0] * 9


def test_what_waits_is_analysed_together_if_it_has_one_shape_and_the_batch_has_room(pool):
    held = Held(Counting(batch_size=2), pool)
    for feed, width in enumerate([8, 12, 8, 12, 8]):
        held.ask(frame_of(feed, width))
    calls = held.go()
    assert [[index for index, _ in call] for call in calls] == [[0, 2], [1, 3], [4]]
    assert all(len({shape for _, shape in call}) == 1 for call in calls)


def test_a_picture_on_which_the_model_fails_spoils_those_of_no_other_feed(pool):
    held = Held(Counting(batch_size=4), pool)
    for feed, value in enumerate([0, BAD, 0]):
        held.ask(frame_of(feed, value=value))
    held.go()
    _, first, bad, last = held.asked
    assert len(first.result()) == len(last.result()) == 1
    with pytest.raises(ValueError, match="a bad picture"):
        bad.result()


def test_what_was_asked_before_it_closes_is_answered_and_later_refused(pool):
    held = Held(Counting(), pool)
    held.ask(frame_of(1))
    held.go()
    assert held.detector.feeds == [99, 1]
    assert held.detector.closed == 1
    with pytest.raises(DetectorError, match="was closed"):
        held.model.detect([frame_of(2)])


def test_a_model_is_made_once_and_closed_with_its_last_user():
    made = []

    def make(name, settings):
        made.append(Counting())
        return made[-1]

    models = SharedModels(make)
    one, other = models.take("a", {"x": 1}), models.take("a", {"x": 1})
    another = models.take("a", {"x": 2})
    assert len(made) == 2
    models.release(one)
    assert made[0].closed == 0
    assert len(other.detect([frame_of(1)])) == 1
    models.release(other)
    models.release(another)
    assert [one.closed for one in made] == [1, 1]
    models.release(models.take("a", {"x": 1}))
    assert len(made) == 3


def test_one_that_cannot_be_made_is_tried_again():
    answers = [DetectorError("no weights"), Counting()]

    def make(name, settings):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    models = SharedModels(make)
    with pytest.raises(DetectorError, match="no weights"):
        models.take("a", {})
    models.release(models.take("a", {}))


def test_nobody_is_given_a_model_that_another_feed_just_closed(pool):
    models = SharedModels(lambda name, settings: Counting())

    def use(feed):
        for _ in range(50):
            detector = models.take("a", {})
            detector.detect([frame_of(feed)])
            models.release(detector)

    list(pool.map(use, range(4)))
    assert not models._models
