"""What goes wrong with sinks while feeds run: each has its own outbox, and nothing is lost."""

import json
import shutil
import subprocess
from contextlib import contextmanager

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from lab.errors import StoreError
from lab.feeds.publisher import Bundle, Publisher
from lab.feeds.sinks_of_feeds import FeedSinks
from lab.rules.rule import Rule
from lab.sinks.outbox import Outbox, outbox_path
from lab.store.store import Store
from tests.feeds.lamp import wait_for
from tests.peers.brokers import mosquitto, redis_server
from tests.peers.web import Reply, in_turn, serving
from tests.sinks.events import make_event, make_jpeg
from tests.unprivileged import as_nobody, open_folder  # noqa: F401

OUTBOXES = "outbox"


@contextmanager
def sinks_in(folder, delays_s=(0.02, 0.1), **named):
    """Running sinks, by name with their settings."""
    sinks = FeedSinks(folder / OUTBOXES, named, delays_s=delays_s)
    sinks.start()
    try:
        yield sinks
    finally:
        sinks.stop(10)


def hook(server, **more):
    return {"type": "webhook", "url": server.url, "timeout_s": 20, **more}


def lines(path):
    return {"type": "jsonl", "path": str(path)}


def put(sinks, name, *sightings):
    for sighting in sightings:
        sinks.put(name, make_event(sighting=sighting))


def until_state(sinks, name, **wanted):
    def is_so():
        found = sinks.status()[name]
        return found if all(found[key] == value for key, value in wanted.items()) else None

    return wait_for(is_so, f"{name} to be {wanted}, it is {sinks.status()[name]}")


def ids(server):
    return [request.headers["webhook-id"] for request in server.asked]


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ([Reply(500, b"broken")] * 7, "answered 500: broken"),
        ([Reply(302, headers={"Location": "http://127.0.0.1:1/"})] * 7, "a redirect, which is not"),
        ([Reply(429, headers={"Retry-After": "0.05"})] * 4, "answered 429"),
    ],
)
def test_a_webhook_that_does_not_take_it_gets_it_once_it_does_and_hurts_no_other(
    tmp_path, replies, words
):
    reasons = set()
    left = list(replies)

    def answer(request):
        reasons.add(sinks.status()["hook"]["reason"])
        return left.pop(0) if left else Reply()

    with serving() as server:
        named = {"hook": hook(server), "lines": lines(tmp_path / "x.jsonl")}
        with sinks_in(tmp_path, **named) as sinks:
            server.answer = answer
            for name in named:
                put(sinks, name, "a", "b", "c")
            until_state(sinks, "lines", delivered=3)
            until_state(sinks, "hook", delivered=3, waiting=0, state="ok", reason=None)
    assert any(words in (reason or "") for reason in reasons)
    assert set(ids(server)) == {"a-alerted-1", "b-alerted-1", "c-alerted-1"}
    assert len(server.asked) == 3 + len(replies)


def test_a_webhook_that_is_gone_is_off_until_the_next_start_and_keeps_what_comes(tmp_path):
    with serving(in_turn(Reply(410))) as server:
        with sinks_in(tmp_path, hook=hook(server)) as sinks:
            put(sinks, "hook", "a")
            until_state(sinks, "hook", state="off", failed=1)
            put(sinks, "hook", "b", "c")
            assert until_state(sinks, "hook", state="off", waiting=2)["reason"].endswith(
                "answered 410, it wants no more"
            )
        with sinks_in(tmp_path, hook=hook(server)) as sinks:
            until_state(sinks, "hook", delivered=2)
    assert ids(server) == ["a-alerted-1", "b-alerted-1", "c-alerted-1"]


def test_discord_is_left_alone_for_as_long_as_it_asks(tmp_path):
    limit = Reply(429, {"message": "You are being rate limited.", "retry_after": 0.4})
    with serving(in_turn(limit)) as server:
        chat = {"type": "discord", "webhook_url": f"{server.url}/api/webhooks/1/planted"}
        with sinks_in(tmp_path, chat=chat, delays_s=(0.0,)) as sinks:
            put(sinks, "chat", "a", "b", "c")
            assert "rate limited" in until_state(sinks, "chat", state="failing")["reason"]
            assert len(server.asked) == 1
            until_state(sinks, "chat", delivered=3, state="ok")
    assert len(server.asked) == 4


def test_redis_that_is_started_again_gets_all_that_waits_in_its_order(tmp_path):
    import redis

    with redis_server(tmp_path) as server:
        settings = {"type": "redis", "url": f"redis://127.0.0.1:{server.port}/0", "timeout_s": 5}
        with sinks_in(tmp_path, kept=settings) as sinks:
            put(sinks, "kept", "a")
            until_state(sinks, "kept", delivered=1)
            server.stop()
            put(sinks, "kept", *"bcdefgh")
            until_state(sinks, "kept", state="failing", waiting=7)
            server.start()
            until_state(sinks, "kept", delivered=8, waiting=0, state="ok")
        with redis.Redis(port=server.port) as client:
            found = [fields[b"event_id"].decode()[0] for _, fields in client.xrange("sighting-lab")]
    assert found == list("bcdefgh")  # `a` went with the server, which keeps nothing


def test_a_broker_that_is_started_again_gets_all_that_waits_in_its_order(tmp_path):
    heard, client = [], Client(CallbackAPIVersion.VERSION2)
    client.reconnect_delay_set(1, 1)
    client.on_connect = lambda client, *_: client.subscribe("sighting-lab/events", 1)
    client.on_subscribe = lambda *_: heard.append(None)
    client.on_message = lambda _client, _data, message: heard.append(json.loads(message.payload))
    with mosquitto(tmp_path) as server:
        settings = {"type": "mqtt", "host": "127.0.0.1", "port": server.port, "timeout_s": 0.5}
        with sinks_in(tmp_path, home=settings) as sinks:
            put(sinks, "home", "a")
            until_state(sinks, "home", delivered=1)
            server.stop()
            put(sinks, "home", *"bcdef")
            until_state(sinks, "home", state="failing", waiting=5)
            server.start()
            client.connect("127.0.0.1", server.port)
            client.loop_start()
            until_state(sinks, "home", delivered=6, waiting=0, state="ok")
            wait_for(lambda: heard, "somebody who listens")
            put(sinks, "home", "g")
            wait_for(lambda: heard[-1] and heard[-1]["sighting_id"] == "g", "the last event")
        client.disconnect()
        client.loop_stop()
    found = [event["sighting_id"] for event in heard if event]
    assert "bcdefg".endswith("".join(dict.fromkeys(found)))


@pytest.mark.parametrize("size", [0, 50, 4096, 0.5])
def test_an_outbox_that_was_cut_off_is_begun_anew_and_what_comes_is_told(tmp_path, size):
    path = outbox_path(tmp_path / OUTBOXES, "lines")
    with sinks_in(tmp_path, lines=lines(tmp_path / "x.jsonl")) as sinks:
        put(sinks, "lines", *(f"s{n}" for n in range(40)))
    content = path.read_bytes()
    path.write_bytes(content[: size if isinstance(size, int) else int(size * len(content))])
    with sinks_in(tmp_path, lines=lines(tmp_path / "x.jsonl")) as sinks:
        put(sinks, "lines", "new")
        state = until_state(sinks, "lines", waiting=0, state="ok")
    told = [json.loads(line)["sighting_id"] for line in (tmp_path / "x.jsonl").open()]
    assert told == [*(f"s{n}" for n in range(40)), "new"]
    if size:  # an empty file is what a new outbox begins as
        assert "was damaged" in state["reason"]
        assert list(path.parent.glob("lines.damaged-*.sqlite"))


def test_a_folder_that_cannot_be_written_is_one_line_and_no_sink_runs(open_folder):  # noqa: F811
    place = open_folder / OUTBOXES
    place.mkdir(mode=0o555)
    sinks = FeedSinks(place, {"lines": lines(open_folder / "x.jsonl")})
    with (
        as_nobody(),
        pytest.raises(StoreError, match=r"the outbox .* cannot be") as why,
    ):
        sinks.start()
    assert "\n" not in str(why.value)
    assert sinks.status() == {}


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount here (needs root)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_on_a_full_disk_events_wait_and_all_are_told_once_when_there_is_room(
    small_disk, tmp_path, monkeypatch
):
    monkeypatch.setattr("lab.feeds.publisher._RETRY_S", 0.05)
    told = []
    with (
        serving() as server,
        sinks_in(small_disk, hook=hook(server, picture="multipart")) as sinks,
        Publisher(Store(tmp_path / "store"), sinks.put, told.append) as publisher,
    ):
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(max(0, shutil.disk_usage(small_disk).free - 8192)))
        jpeg = make_jpeg(640, 480) + bytes(100_000)
        for name in "abcd":
            event = make_event(sighting=name, picture_jpeg=jpeg)
            publisher.put(Bundle(run_id="r", rule=Rule(), events=[event], sinks=["hook"]))
        wait_for(lambda: publisher.problem, "a loud state")
        assert "the outbox" in publisher.problem
        ballast.unlink()
        until_state(sinks, "hook", delivered=4, waiting=0, state="ok")
        wait_for(lambda: publisher.problem is None, "the end of the problem")
    assert ids(server) == [f"{name}-alerted-1" for name in "abcd"]
    assert [event.sighting_id for event in told] == list("abcd")
    assert all(b"\xff\xd8" in request.body for request in server.asked)


def test_a_sink_that_is_renamed_takes_with_it_what_waits(tmp_path):
    away = serving(lambda request: Reply(503))
    with away as server, sinks_in(tmp_path, chat=hook(server)) as sinks:
        put(sinks, "chat", "a", "b")
        until_state(sinks, "chat", state="failing", waiting=2)
        sinks.apply({"friends": hook(server), "lines": lines(tmp_path / "x.jsonl")})
        put(sinks, "chat", "c")  # of a feed that was told so before
        until_state(sinks, "friends", waiting=3)
        assert sinks.problem is None
        server.answer = lambda request: Reply()
        until_state(sinks, "friends", delivered=3, waiting=0)
    assert ids(server)[-3:] == ["a-alerted-1", "b-alerted-1", "c-alerted-1"]


def test_what_waits_for_a_sink_that_is_gone_is_said_and_told_once_it_is_back(tmp_path, caplog):
    with serving(lambda request: Reply(503)) as server:
        with sinks_in(tmp_path, chat=hook(server)) as sinks:
            put(sinks, "chat", "a", "b")
            sinks.apply({})
            assert "there are 2 events in" in sinks.problem
            assert "chat.sqlite" in sinks.problem
        server.answer = lambda request: Reply()
        with sinks_in(tmp_path, other=hook(server)) as sinks:  # was edited while nobody watched
            assert sinks.problem in caplog.text
            sinks.apply({"chat": hook(server)})
            until_state(sinks, "chat", delivered=2, waiting=0)
            assert sinks.problem is None


@pytest.mark.long
def test_ten_thousand_events_that_wait_are_told_after_a_restart_in_their_order(small_disk):
    """On a disk in memory: each event is synced when it is kept, and when it was told."""
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    box = Outbox(outbox_path(small_disk / OUTBOXES, "lines"))
    for number in range(10_002):
        box.put(make_event(sighting=f"s{number}"))
    box.close()
    path = small_disk / "x.jsonl"
    with sinks_in(small_disk, lines=lines(path)) as sinks:
        until_state(sinks, "lines", delivered=10_000, waiting=0, dropped=2)
    told = [json.loads(line)["sighting_id"] for line in path.open()]
    assert told == [f"s{number}" for number in range(2, 10_002)]
