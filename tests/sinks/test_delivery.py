"""Each sink is told by a thread of its own."""

import threading
import time
from functools import cache

import pytest

from lab.errors import LabError, SettingError
from lab.sinks.delivery import SinkThread
from lab.sinks.outbox import Outbox
from lab.sinks.sink import DeliverLater, DeliveryFailed, Sink, SinkRefused
from tests.sinks.events import make_event

SECRET = "planted-secret-9f3"


class ScriptedSink(Sink):
    """Takes events, but where `answers` has an exception for the next call."""

    def __init__(self, answers=()):
        self.answers, self.told, self.taken = list(answers), [], []
        self.told_at = []
        self.beats, self.is_closed, self.feeds = 0, False, []

    def write(self, rows):
        raise AssertionError("rows are of jobs")

    def deliver(self, event):
        self.told.append(event.event_id)
        self.told_at.append(time.monotonic())
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.taken.append(event.event_id)

    def watched(self, feeds):
        self.feeds.append(dict(feeds))

    def beat(self):
        self.beats += 1

    def close(self):
        self.is_closed = True


class SeeingSink(ScriptedSink):
    """Looks at the pictures named `looks_at`."""

    def __init__(self, *looks_at):
        super().__init__()
        self.looks_at, self.events = looks_at, []

    def pictures_of(self, event):
        return self.looks_at

    def deliver(self, event):
        super().deliver(event)
        self.events.append(event)


class OrderedSink(ScriptedSink):
    in_order = True


def until(condition, limit_s=60.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


@pytest.fixture
def start(tmp_path):
    """start(sink) gives its running thread."""
    started = []

    def begin(sink, name="a", make=None, **options):
        options = {"delays_s": (0.01, 0.02), **options}
        box = Outbox(tmp_path / f"{name}.sqlite")
        thread = SinkThread(name, make or (lambda: sink), box, **options)
        started.append(thread)
        thread.start()
        return thread

    yield begin
    for thread in started:
        thread.stop(5)


def events(*sightings, kind="alerted"):
    return [make_event(kind, one) for one in sightings]


def test_events_are_delivered_once_in_their_order(start):
    sink = ScriptedSink()
    thread = start(sink)
    for event in events("a", "b", "c", "a"):
        thread.put(event)
    until(lambda: thread.state()["delivered"] == 3)
    assert sink.told == ["a-alerted-1", "b-alerted-1", "c-alerted-1"]
    state = thread.state()
    assert (state["state"], state["waiting"], state["reason"]) == ("ok", 0, None)


def test_pictures_are_made_for_sinks_that_look_at_them_once_for_all(start):
    made = []

    def picture(name):
        return cache(lambda: (made.append(name), name.encode())[1])

    event = make_event(picture_jpeg=picture("drawn"), plain_jpeg=picture("plain"))
    blind = start(SeeingSink(), "blind")
    blind.put(event)
    until(lambda: blind.state()["delivered"] == 1)
    assert made == []
    sinks = [SeeingSink("picture_jpeg"), SeeingSink("picture_jpeg")]
    for name, sink in zip("ab", sinks):
        thread = start(sink, name)
        thread.put(event)
        until(lambda sink=sink: sink.events)
        assert not thread.put(event)
    assert made == ["drawn"]
    assert [(one.picture_jpeg, one.plain_jpeg) for s in sinks for one in s.events] == [
        (b"drawn", None)
    ] * 2


def test_an_event_that_fails_is_tried_again_and_holds_back_its_own_sighting_alone(start):
    sink = ScriptedSink([OSError("no route"), None])
    thread = start(sink, delays_s=(2.0,))
    opened, closed = make_event("opened", "a"), make_event("closed", "a")
    for event in (opened, closed, make_event("opened", "b")):
        thread.outbox.put(event)
    until(lambda: len(sink.taken) == 3)
    assert sink.taken == ["b-opened-1", "a-opened-1", "a-closed-1"]


def test_a_sink_that_needs_order_is_told_nothing_before_what_failed(start):
    sink = OrderedSink([OSError("no route"), OSError("no route")])
    thread = start(sink)
    for event in events("a", "b"):
        thread.put(event)
    until(lambda: len(sink.taken) == 2)
    assert sink.taken == ["a-alerted-1", "b-alerted-1"]


def test_too_early_is_no_failure(start):
    sink = ScriptedSink([DeliverLater(0.05)])
    thread = start(sink)
    thread.put(make_event())
    until(lambda: sink.taken)
    assert len(sink.told) == 2
    assert thread.state()["failed"] == 0


def test_what_is_refused_is_given_up_and_the_next_is_told(start):
    sink = ScriptedSink([SinkRefused("HTTP 400: no such label")])
    thread = start(sink)
    for event in events("a", "b"):
        thread.put(event)
    until(lambda: sink.taken == ["b-alerted-1"])
    until(lambda: thread.state()["delivered"] == 1)
    assert thread.state()["failed"] == 1
    assert thread.state()["state"] == "ok"


def test_a_sink_that_is_refused_for_good_is_off_with_the_reason_and_keeps_what_comes(start):
    sink = ScriptedSink([SinkRefused("HTTP 410: gone", is_final=True)])
    thread = start(sink)
    thread.put(make_event())
    until(lambda: thread.state()["state"] == "off")
    assert thread.state()["reason"] == "HTTP 410: gone"
    thread.put(make_event(sighting="b"))
    assert thread.state()["waiting"] == 1
    assert len(sink.told) == 1


def test_a_sink_that_is_down_is_asked_seldom_and_told_all_as_soon_as_it_is_back(start):
    sink = ScriptedSink()
    broken = threading.Event()
    broken.set()
    take = sink.deliver

    def deliver(event):
        if broken.is_set():
            sink.told.append("failed")
            raise ConnectionError("refused")
        take(event)

    sink.deliver = deliver
    thread = start(sink, delays_s=(0.05, 0.05, 0.3))
    for n in range(200):
        thread.put(make_event(sighting=f"s{n}"))
    until(lambda: sink.told.count("failed") >= 6)
    assert thread.state()["state"] == "failing"
    assert thread.state()["reason"] == "ConnectionError: refused"
    assert sink.told.count("failed") < 100
    broken.clear()
    until(lambda: thread.state()["delivered"] == 200)
    assert len(set(sink.taken)) == len(sink.taken) == 200
    assert thread.state()["state"] == "ok"


def test_a_wait_that_the_other_side_asks_for_holds_the_whole_sink(start):
    sink = ScriptedSink([DeliveryFailed("HTTP 429", retry_after_s=0.3)])
    thread = start(sink)
    for event in events("a", "b"):
        thread.put(event)
    until(lambda: len(sink.taken) == 2)
    assert sink.told_at[1] - sink.told_at[0] >= 0.3


def test_an_event_that_always_fails_is_given_up_after_many_tries(start, monkeypatch):
    monkeypatch.setattr("lab.sinks.delivery.MAX_TRIES", 3)
    sink = ScriptedSink([OSError("bad"), OSError("bad"), OSError("bad")])
    thread = start(sink)
    thread.put(make_event())
    until(lambda: thread.state()["failed"] == 1)
    thread.put(make_event("closed"))
    until(lambda: sink.taken == ["a1-closed-1"])


@pytest.mark.parametrize("error", [SystemExit("bye"), KeyboardInterrupt(), MemoryError("big")])
def test_whatever_a_sink_raises_its_thread_lives(start, error):
    sink = ScriptedSink([error])
    thread = start(sink)
    thread.put(make_event())
    until(lambda: sink.taken)


def test_a_sink_that_blocks_for_ever_hurts_no_other_and_is_not_waited_for(start, monkeypatch):
    monkeypatch.setattr("lab.sinks.sink_health._HANGS_S", 0.05)
    never, hangs, works = threading.Event(), ScriptedSink(), ScriptedSink()
    hangs.deliver = lambda event: never.wait()
    stuck, other = start(hangs, "stuck"), start(works, "other")
    for thread in (stuck, other):
        thread.put(make_event())
    until(lambda: works.taken)
    until(lambda: stuck.state()["state"] == "failing")
    assert stuck.state()["reason"].startswith("no answer for")
    stuck.put(make_event(sighting="b"))
    assert stuck.state()["waiting"] == 2
    assert not stuck.stop(0.05)
    never.set()


def test_wrong_settings_are_raised_at_the_start_and_other_failures_are_tried_again(start):
    def wrong():
        raise SettingError("sinks.a: url is missing")

    with pytest.raises(SettingError, match="url is missing"):
        start(None, make=wrong)
    sink, failures = ScriptedSink(), [LabError("no such host"), LabError("no such host")]

    def make():
        if failures:
            raise failures.pop()
        return sink

    thread = start(None, "late", make=make)
    thread.put(make_event())
    until(lambda: sink.taken)


def test_it_beats_with_the_feeds_that_run_and_a_beat_that_fails_is_noted(start):
    sink = ScriptedSink()
    thread = start(sink, beat_s=0.02)
    thread.watch({"pond": {"state": "live"}})
    until(lambda: sink.beats > 2 and sink.feeds[-1] == {"pond": {"state": "live"}})

    def fail():
        raise OSError("no route")

    sink.beat = fail
    until(lambda: thread.state()["reason"] == "heartbeat: OSError: no route")
    assert thread.state()["state"] == "ok"


def test_it_is_told_at_once_when_the_state_of_a_feed_changes(start):
    sink = ScriptedSink()
    thread = start(sink, beat_s=1e6)
    for state in ("live", "reconnecting"):
        thread.watch({"pond": {"state": state, "last_frame_at": 1.0}})
        until(
            lambda state=state: sink.feeds and sink.feeds[-1].get("pond", {}).get("state") == state
        )
    told = len(sink.feeds)
    thread.watch({"pond": {"state": "reconnecting", "last_frame_at": 2.0}})
    thread.put(make_event())
    until(lambda: sink.taken)
    assert len(sink.feeds) == told


def test_stopping_delivers_what_is_due_and_leaves_the_rest_for_the_next_start(start, tmp_path):
    sink = ScriptedSink()
    thread = start(sink)
    for n in range(20):
        thread.put(make_event(sighting=f"s{n}"))
    assert thread.stop(30)
    assert (len(sink.taken), sink.is_closed) == (20, True)
    box = Outbox(tmp_path / "a.sqlite")
    box.put(make_event(sighting="late"))
    box.close()
    again = ScriptedSink()
    start(again)
    until(lambda: again.taken == ["late-alerted-1"])


def test_no_reason_shows_a_secret(start, tmp_path, caplog):
    sink = ScriptedSink([OSError(f"cannot post to https://host/{SECRET}")])
    thread = start(sink, secrets=(SECRET,), delays_s=(60.0,))
    thread.put(make_event())
    until(lambda: thread.state()["state"] == "failing")
    assert thread.state()["reason"] == "OSError: cannot post to https://host/***"
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("a.sqlite*"))
    assert b"cannot post to" in kept
    assert SECRET.encode() not in kept
    assert SECRET not in caplog.text


def test_what_could_not_be_written_down_is_not_delivered_twice(start, monkeypatch):
    """A full disk, after the event was taken."""
    sink = ScriptedSink()
    thread = start(sink)
    record, failures = thread.outbox.delivered, [True, True]

    def delivered(event_id):
        if failures:
            failures.pop()
            raise LabError("the disk is full")
        record(event_id)

    monkeypatch.setattr(thread.outbox, "delivered", delivered)
    thread.put(make_event())
    until(lambda: thread.state()["delivered"] == 1)
    assert sink.told == ["a1-alerted-1"]
