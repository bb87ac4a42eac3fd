"""Events in Redis, with a real server."""

import json

import pytest
import redis

from lab.errors import LabError, SettingError
from lab.sinks.redis_server import RedisSink
from lab.sinks.sink import SinkRefused
from tests.peers.brokers import redis_server
from tests.peers.programs import free_port
from tests.recordings import make_event

SECRET = "hunter2-planted"


@pytest.fixture
def server(tmp_path):
    with redis_server(tmp_path, password=SECRET) as made:
        yield made


@pytest.fixture
def client(server):
    with redis.Redis(port=server.port, password=SECRET) as made:
        yield made


def url_of(server, password=SECRET):
    return f"redis://:{password}@127.0.0.1:{server.port}/0"


def test_each_event_is_an_entry_of_the_stream(server, client):
    with RedisSink(url=url_of(server), pictures=True) as sink:
        sink.deliver(make_event("opened"))
        sink.deliver(make_event("closed", picture_jpeg=b"\xff\xd8jpeg", recording="/home/me"))
    entries = [fields for _, fields in client.xrange("sighting-lab")]
    assert [one[b"type"] for one in entries] == [b"opened", b"closed"]
    assert json.loads(entries[0][b"event"])["sighting_id"] == "0011223344556677"
    assert entries[1][b"picture"] == b"\xff\xd8jpeg"
    assert b"/home/me" not in entries[1][b"event"]


def test_the_oldest_entries_go(server, client):
    with RedisSink(url=url_of(server), most=100) as sink:
        sink.write([{"label": "otter", "onset_s": i} for i in range(1000)])
    assert 100 <= client.xlen("sighting-lab") < 300
    with RedisSink(url=url_of(server), key="set", kind="sorted-set", most=3) as sink:
        sink.write([{"label": "otter", "onset_s": i} for i in range(5)])
    assert [json.loads(one)["onset_s"] for one in client.zrange("set", 0, -1)] == [2, 3, 4]


def test_a_sorted_set_is_in_order_of_time_and_holds_an_event_once(server, client):
    with RedisSink(url=url_of(server), kind="sorted-set", events="closed", pictures=True) as sink:
        later = make_event(event_id="b", created_utc="2026-05-04T11:00:00Z", picture_jpeg=b"jpeg")
        for event in (make_event("opened"), later, make_event(event_id="a"), later):
            sink.deliver(event)
    known = [json.loads(one)["event_id"] for one in client.zrange("sighting-lab", 0, -1)]
    assert known == ["a", "b"]
    assert client.get("sighting-lab:picture:0011223344556677") == b"jpeg"
    assert client.ttl("sighting-lab:picture:0011223344556677") > 80_000


def test_a_server_that_went_away_is_used_again_when_it_is_back(server):
    with RedisSink(url=url_of(server)) as sink:
        sink.deliver(make_event("opened"))
        server.stop()
        with pytest.raises(LabError, match=f"127.0.0.1:{server.port} cannot be reached") as away:
            sink.deliver(make_event("closed"))
        assert SECRET not in str(away.value)
        server.start()
        sink.deliver(make_event("closed"))


def test_a_wrong_password_is_said_without_it_and_is_tried_again(server):
    wrong = "wrong-planted"
    with RedisSink(url=url_of(server, wrong)) as sink, pytest.raises(LabError) as refused:
        sink.deliver(make_event())
    assert type(refused.value) is LabError
    assert "refuses user or password; check url" in str(refused.value)
    assert wrong not in str(refused.value) + repr(sink)
    with pytest.raises(SettingError, match="refuses user or password"):
        RedisSink(url=url_of(server, wrong)).check(["pond.mp4"])


def test_a_key_that_holds_something_else_is_given_up(server, client):
    client.set("sighting-lab", "text")
    with RedisSink(url=url_of(server)) as sink, pytest.raises(SinkRefused, match="something else"):
        sink.deliver(make_event())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"url": "http://hunter2-planted@host"},
            "url must be an address with redis:// or rediss://",
        ),
        ({"url": "redis://:hunter2-planted@host:port"}, "url must be an address"),
        ({"url": ""}, "url must be a text"),
        ({"kind": "list"}, "kind must be one of stream, sorted-set"),
        ({"most": -1}, "most must be"),
        ({"events": ["begun"]}, "unknown event 'begun'; known: alerted"),
        ({"timeout_s": "soon"}, "timeout_s must be from"),
    ],
)
def test_bad_settings_are_refused_at_once(settings, words):
    with pytest.raises(SettingError, match=words) as refused:
        RedisSink(**{"url": "redis://host", **settings})
    assert SECRET not in str(refused.value)


def test_a_server_that_is_not_there_is_no_bad_setting():
    sink = RedisSink(url=f"redis://127.0.0.1:{free_port()}")
    with sink, pytest.raises(LabError, match="cannot be reached: Connection refused"):
        sink.deliver(make_event())
