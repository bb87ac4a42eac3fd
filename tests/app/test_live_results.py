"""`/ws/live`: what is told of runs and feeds to those who subscribe."""

import threading
import time
from contextlib import ExitStack, suppress

import numpy as np
import pytest
from websockets.exceptions import InvalidStatus

from lab.access.tokens import Tokens
from lab.app.server.live_results.routes import MAX_MESSAGE_BYTES, MOST_ERRORS, live_results_routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.feeds.feed import Feed
from lab.feeds.status import feeds_folder, write_status
from lab.feeds.watcher import Watcher
from lab.frame import FrameStamp
from lab.limits import Limits
from lab.rules.rule import Debounce, Rule
from lab.score_log.score_log import read_log
from lab.score_log.writer import ScoreLogWriter
from tests.app.live_server import following, quietly_closed, served
from tests.builders import make_detections, make_run, scores_of
from tests.feeds.lamp import wait_for
from tests.slow_run import slow_run

RULE = Rule.coerce(Debounce(enter_threshold=0.1, enter_frames=1, exit_frames=1, cooldown_s=0))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store with a finished run of seven samples."""
    folder = tmp_path_factory.mktemp("live")
    scores = scores_of(7, [(2, 4)])
    scores[5] = np.nan
    run = make_run(folder, scores, every_s=0.5)
    run.store.edit_media(run.media["media_id"], start_utc="2026-05-01T06:00:00")
    run.store.catalog.give_up()
    return folder / "store", run.run_id


@pytest.fixture(scope="module")
def here(place):
    made = AppState(Config(store=place[0], limits=Limits(max_subscriptions=3, max_followed=4)))
    yield made
    made.close()


@pytest.fixture(scope="module")
def address(here):
    with served(here) as found:
        yield found


@pytest.fixture
def client(address):
    with following(address) as made:
        yield made


def test_who_subscribes_to_a_run_is_told_how_it_is_and_the_five_latest(client, place):
    run_id = place[1]
    subscribed, recent = client.subscribe(run_id=run_id, ref="mine")
    assert subscribed == {
        "type": "subscribed", "run_id": run_id, "ref": "mine", "state": "done", "reason": None
    }  # fmt: skip
    assert [one["pts_s"] for one in recent["samples"]] == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert recent["samples"][0] == {
        "pts_s": 1.0,
        "frame_index": 2,
        "wall_utc": "2026-05-01T06:00:01.000000Z",
        "status": "ok",
        "reason": None,
        "width_px": 100,
        "height_px": 100,
        "detections": [{"label": "x", "confidence": 0.9, "box_xyxy_px": [10, 10, 30, 30]}],
    }
    failed = recent["samples"][3]
    assert (failed["status"], failed["reason"]) == ("failed", "made to fail")


def test_ping_and_unsubscribe_are_answered(client, place):
    client.say("ping", ref=7)
    pong = client.hear()
    assert (pong["type"], pong["ref"]) == ("pong", 7)
    client.say("ping", ref=1.5)
    assert client.hear()["ref"] == 1.5
    client.subscribe(run_id=place[1])
    client.say("unsubscribe", run_id=place[1], ref="x")
    assert client.hear() == {"type": "unsubscribed", "run_id": place[1], "ref": "x"}
    client.say("unsubscribe", run_id=place[1])
    refused = client.hear()
    assert (refused["type"], refused["code"]) == ("error", "not_subscribed")
    assert client.subscribe(run_id=place[1])[1]["samples"]
    client.say("subscribe", run_id=place[1])  # twice is once
    assert client.hear()["type"] == "subscribed"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("no JSON", "is not JSON"),
        ("[1]", "must be a JSON object"),
        (b"\x00\x01", "messages are text"),
        ('{"type": "subscrib"}', "unknown type 'subscrib'; known: ping, subscribe"),
        ('{"type": ["subscribe"]}', "unknown type"),
        ('{"type": "ping", "ref": "%s"}' % ("x" * 3000), "at most 200 characters, got 3000"),
        ('{"type": "ping", "ref": [1]}', "ref must be a text or number of at most 200"),
        ('{"type": "subscribe"}', "name feed_id, run_id or upload_id, got none"),
        ('{"type": "subscribe", "run_id": "a", "feed_id": "b"}', "got feed_id and run_id"),
        ('{"type": "subscribe", "run_id": 7}', "run_id must be a text, got a number"),
        ('{"type": "subscribe", "run_id": "../../etc"}', "run_id is no id"),
        ('{"type": "subscribe", "run_id": ".."}', "run_id is no id"),
        ('{"type": "subscribe", "run_id": "none"}', "no run 'none' in this store"),
        ('{"type": "subscribe", "feed_id": "none"}', "no feed is called 'none'"),
        ('{"type": "ping", "x": NaN}', "not a finite number"),
        ('{"type": "ping", "x": ' + "[" * 2000 + "]" * 2000 + "}", "nested deeper"),
    ],
)
def test_what_is_not_understood_is_an_error_and_the_socket_stays(client, said, why):
    client.socket.send(said)
    error = client.hear()
    assert error["type"] == "error"
    assert why in error["detail"]
    client.say("ping")
    assert client.hear()["type"] == "pong"


def test_too_many_errors_in_a_row_and_too_large_a_message_close_the_socket(address):
    with following(address) as client:
        for _ in range(MOST_ERRORS):
            client.socket.send("?")
        assert quietly_closed(client) == 4400
    with following(address) as client:
        client.socket.send("x" * (MAX_MESSAGE_BYTES + 1))
        assert quietly_closed(client) == 1009


def test_more_than_may_be_followed_is_an_error(address, here, place):
    logs = here.store.folder / "logs"
    ids = [make_run(place[0].parent, [0.5, 0.5], name=f"more {i}").run_id for i in range(6)]
    assert all((logs / one).is_dir() for one in ids)
    with following(address) as one, following(address) as other:
        for run_id in ids[:3]:
            one.subscribe(run_id=run_id)
        one.say("subscribe", run_id=ids[3])
        assert one.hear()["code"] == "too_many"
        other.subscribe(run_id=ids[0])
        other.subscribe(run_id=ids[3])
        other.say("subscribe", run_id=ids[4])
        assert "4 feeds and runs are followed" in other.hear()["detail"]
        one.say("unsubscribe", run_id=ids[1])
        one.hear()
        other.subscribe(run_id=ids[4])
    wait_for(lambda: not readers(), "that reading ends with the last one who listens")


def readers():
    return [one.name for one in threading.enumerate() if one.name.startswith("live ")]


@pytest.mark.long
def test_each_sample_of_a_run_that_another_process_makes_is_told_once(samples, tmp_path):
    store = tmp_path / "store"
    clip = samples / "cat_then_person.mp4"
    made = AppState(Config(store=store))
    with (
        served(made) as address,
        slow_run(clip, store, 0.03) as (_, run_id),
        following(address) as client,
    ):
        assert client.subscribe(run_id=run_id)[0]["state"] == "running"
        over = client.hear_until("state")
        assert (over["state"], over["reason"]) == ("done", None)
        told = client.samples(run_id=run_id)
        with following(address) as late:
            latest = late.subscribe(run_id=run_id)[1]["samples"]
    log = read_log(store / "logs" / run_id)
    assert [round(one["pts_s"] * 1e6) for one in told] == log.pts_us.tolist()
    assert [one["frame_index"] for one in told] == log.frame_index.tolist()
    assert told[-5:] == latest
    assert {one["status"] for one in told} == {"ok"}
    scores = [(d["label"], d["confidence"]) for one in told for d in one["detections"]]
    labels = [log.labels[i] for i in log.label.tolist()]
    assert scores == list(zip(labels, [round(float(c), 4) for c in log.confidence], strict=True))
    assert {(one["width_px"], one["height_px"]) for one in told} == {(640, 360)}
    made.close()


def test_samples_and_events_of_a_feed_are_told_in_order_each_once(samples, tmp_path):
    made = AppState(Config(store=tmp_path / "store"))
    feed = Feed(
        feed_id="clip",
        source={"type": "file", "path": str(samples / "cat_then_person.mp4")},
        detector="visual",
        detector_settings={"labels": ["brightness"]},
        every_s=0.2,
        rule=RULE,
    )
    with (
        served(made) as address,
        Watcher([feed], {}, made.store),
        following(address) as client,
        following(address) as other,
    ):
        wait_for(lambda: made.live.feed("clip"), "the feed's status")
        client.subscribe(feed_id="clip")
        client.hear_until("analysis_update")
        other.subscribe(feed_id="clip")
        for one in (client, other):
            ended = one.hear_until(lambda said: said.get("state") == "ended")
            if not any(said.get("events") for said in one.heard):
                one.hear_until(lambda said: said.get("events"))
        run_id = made.live.feed("clip")["last_run_id"]
        assert ended["type"] == "state"
    log = read_log(made.store.log_folder(run_id))
    logged = log.pts_us.tolist()
    for one in (client, other):
        told = [round(sample["pts_s"] * 1e6) for sample in one.samples(feed_id="clip")]
        assert told == logged[-len(told) :]
        assert len(told) > 5
        events = [e for said in one.heard for e in said.get("events", [])]
        assert {"opened", "alerted"} <= {e["kind"] for e in events} or one is other
        assert len({e["event_id"] for e in events}) == len(events)
    walls = [sample["wall_utc"] for sample in client.samples(feed_id="clip")]
    assert walls == sorted(walls)
    assert all(walls)
    sizes = {(s["width_px"], s["height_px"]) for s in client.samples(feed_id="clip")}
    assert sizes == {(640, 360)}
    made.close()


def feed_status(store, run_id, *events):
    """As the process that watches writes it, with the run ids of what it saw."""
    seen = [{"event_id": f"event-{n}", "run_id": one} for n, one in enumerate(events)]
    garden = {"state": "live", "run_id": run_id, "events": seen}
    feeds_folder(store).mkdir(exist_ok=True)
    write_status(store, {"written": time.time() + 3600, "feeds": {"garden": garden}})


def test_a_feeds_next_run_begins_anew_and_its_events_are_told_under_it(tmp_path):
    scores = [0.5] * 3
    first, second = (make_run(tmp_path, scores, name=name) for name in ("first", "second"))
    made = AppState(Config(store=first.store.folder))
    feed_status(made.store.folder, first.run_id, first.run_id)
    with served(made) as address, following(address) as client, following(address) as other:
        _, recent = client.subscribe(feed_id="garden")
        assert (recent["run_id"], len(recent["samples"])) == (first.run_id, 3)
        feed_status(made.store.folder, second.run_id, first.run_id, second.run_id)
        told = client.hear_until(lambda said: said.get("events"))
        assert (told["run_id"], len(told["events"])) == (second.run_id, 1)
        client.hear_until(lambda said: said["type"] == "state")
        _, recent = other.subscribe(feed_id="garden")
        assert (recent["run_id"], other.samples(feed_id="garden")) == (second.run_id, [])
        assert [one["run_id"] for one in recent["events"]] == [first.run_id, second.run_id]
    made.close()


class Fast:
    """A run that is written in this process, as quickly as it goes."""

    def __init__(self, folder):
        self.run_id = make_run(folder, [0.5], name="fast").run_id
        self.folder = folder / "store" / "logs" / self.run_id
        self.number = 1

    def add(self, parts, samples=1000, boxes=1):
        with ScoreLogWriter(self.folder, {}, is_durable=False) as log:
            found = make_detections(*[("x", 0.5, (1, 2, 3, 4))] * boxes)
            for _ in range(parts):
                for _ in range(samples):
                    log.add(FrameStamp(self.number, self.number * 1000, 0.0), found)
                    self.number += 1
                log.flush()


@pytest.fixture
def fast(tmp_path):
    return Fast(tmp_path)


def test_a_slow_client_gets_the_newest_and_is_told_what_it_lost_and_nobody_waits_for_it(fast):
    made = AppState(Config(store=fast.folder.parents[1]))
    with (
        served(made) as address,
        following(address) as quick,
        following(address, is_slow=True) as slow,
    ):
        for one in (quick, slow):
            one.subscribe(run_id=fast.run_id)
        fast.add(parts=12, samples=50, boxes=100)
        quick.hear_until(lambda said: told_up_to(said, 600))
        told = slow.hear_until(lambda said: told_up_to(said, 600))
    assert told["samples"][-1]["frame_index"] == 600
    frames = [one["frame_index"] for one in quick.samples(run_id=fast.run_id)]
    assert frames == list(range(601))
    assert not [one for one in quick.heard if one["type"] == "skipped"]
    lost = sum(one["count"] for one in slow.heard if one["type"] == "skipped")
    frames = [one["frame_index"] for one in slow.samples(run_id=fast.run_id)]
    assert lost > 0
    assert len(frames) + lost == 601
    assert frames == sorted(set(frames))
    made.close()


def told_up_to(said, number):
    samples = said.get("samples") or [{"frame_index": -1}]
    return samples[-1]["frame_index"] == number


def joins(address, stack):
    """Whether one more client is let in, which then stays."""
    with suppress(InvalidStatus):
        return stack.enter_context(following(address))


def test_a_revoked_token_ends_its_sockets_and_who_reads_nothing_keeps_no_place(fast):
    made = AppState(Config(store=fast.folder.parents[1], limits=Limits(max_clients=3)))
    routes = live_results_routes(made, send_s=600)
    tokens = Tokens(made.store.folder)
    _, token = tokens.add("wall", "read")
    with (
        served(made, routes, tokens) as address,
        following(address) as other,
        following(address, token=token) as quick,
        ExitStack() as more,
    ):
        with following(address, token=token, is_slow=True) as stuck:
            for one in (other, quick, stuck):
                one.subscribe(run_id=fast.run_id)
            fast.add(parts=12, samples=50, boxes=100)
            quick.hear_until(lambda said: told_up_to(said, 600))
            tokens.revoke("wall")
            assert quietly_closed(quick) == 1008
            for _ in range(2):  # the places of both are free
                wait_for(lambda: joins(address, more), "a place")
            quietly_closed(stuck)
        other.hear_until(lambda said: told_up_to(said, 600))
        other.say("ping")
        other.hear_until("pong")
    made.close()


def test_who_takes_nothing_is_dropped(fast):
    made = AppState(Config(store=fast.folder.parents[1], limits=Limits(max_clients=2)))
    routes = live_results_routes(made, send_s=0.5)

    def has_room():
        with suppress(InvalidStatus), following(address) as third:
            third.say("ping")
            return third.hear()["type"] == "pong"

    with served(made, routes) as address, following(address) as quick:
        with following(address, is_slow=True) as stuck:
            for one in (quick, stuck):
                one.subscribe(run_id=fast.run_id)
            assert not has_room()
            fast.add(parts=12, samples=50, boxes=100)
            quick.hear_until(lambda said: told_up_to(said, 600))
            wait_for(has_room, "that the one who takes nothing is gone")
            quietly_closed(stuck)
        quick.say("ping")
        quick.hear_until("pong")
    made.close()
