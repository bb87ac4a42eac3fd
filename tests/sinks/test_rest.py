"""Results posted to a collector."""

import pytest

from lab.errors import SettingError
from lab.sinks.rest import RestSink
from lab.sinks.sink import DeliveryFailed, SinkRefused
from tests.peers.programs import free_port
from tests.peers.web import Reply, in_turn, serving
from tests.recordings import make_event

SECRET = "hunter2-planted"


@pytest.fixture
def collector():
    with serving() as made:
        yield made


@pytest.fixture
def sink(collector):
    url = f"{collector.url}/results?key={SECRET}"
    with RestSink(url=url, token=SECRET, headers={"X-Key": f"{SECRET}-2"}) as made:
        yield made


def test_each_event_is_posted_with_its_position_and_name(sink, collector):
    for kind in ("opened", "updated", "closed"):
        sink.deliver(make_event(kind, recording="/home/me"))
    bodies = [one.json() for one in collector.asked]
    assert [one["position"] for one in bodies] == [4.0, 5.0, 6.0]
    assert {one["name"] for one in bodies} == {"pond"}
    assert bodies[0]["result"]["type"] == "opened"
    assert "recording" not in bodies[0]["result"]
    first = collector.asked[0]
    assert (first.path, first.query) == ("/results", [("key", SECRET)])
    assert first.headers["idempotency-key"] == "0011223344556677-opened"
    assert first.headers["authorization"] == f"Bearer {SECRET}"
    assert first.headers["x-key"] == f"{SECRET}-2"


def test_the_rows_of_a_job_come_as_lists(collector):
    rows = [{"analysis": "yolo", "label": "otter", "onset_s": i} for i in range(5)]
    with RestSink(url=collector.url, batch_rows=2) as sink:
        sink.check(["pond.mp4"])
        sink.write(rows)
        sink.finish()
    assert [len(one.json()) for one in collector.asked] == [2, 2, 1]
    assert collector.asked[2].json() == [{"position": 4, "name": "yolo", "result": rows[4]}]


@pytest.mark.parametrize(
    ("status", "headers", "error", "words"),
    [
        (500, {}, DeliveryFailed, "answered 500"),
        (401, {}, DeliveryFailed, "answered 401"),
        (302, {"Location": "http://127.0.0.1/elsewhere"}, DeliveryFailed, "302, a redirect"),
        (422, {}, SinkRefused, "answered 422"),
        (410, {}, SinkRefused, "answered 410"),
        (429, {"Retry-After": "7"}, DeliveryFailed, "answered 429"),
    ],
)
def test_an_answer_says_whether_it_is_tried_again(status, headers, error, words, sink, collector):
    collector.answer = in_turn(Reply(status, f"no {SECRET}".encode(), headers))
    with pytest.raises(error, match=words) as raised:
        sink.deliver(make_event())
    assert SECRET not in str(raised.value)
    assert getattr(raised.value, "is_final", False) is (status == 410)
    assert getattr(raised.value, "retry_after_s", 0) == (7 if status == 429 else 0)
    sink.deliver(make_event())
    assert len(collector.asked) == 2


def test_a_collector_that_is_away_is_no_bad_setting_and_nothing_secret_is_said():
    url = f"http://me:{SECRET}@127.0.0.1:{free_port()}/{SECRET}"
    with (
        RestSink(url=url) as sink,
        pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1 cannot be reached") as raised,
    ):
        sink.deliver(make_event())
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "ftp://me:hunter2-planted@host"}, "url must be an address with http://"),
        ({"url": "http:///hunter2-planted"}, "url must be an address"),
        ({"url": 5}, "url must be a text"),
        ({"headers": {"X-Key": "hunter2-planted\n"}}, "headers: 'X-Key' cannot be sent"),
        ({"headers": ["hunter2-planted"]}, "headers must be a mapping"),
        ({"token": ""}, "token must be a text"),
        ({"events": []}, "events must name"),
        ({"batch_rows": 0}, "batch_rows must be"),
    ],
)
def test_bad_settings_are_refused_at_once(settings, words):
    with pytest.raises(SettingError, match=words) as refused:
        RestSink(**{"url": "http://host/", **settings})
    assert SECRET not in str(refused.value)
