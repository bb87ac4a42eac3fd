"""What the page Feeds asks, and `/metrics`, behind the guard as in the app."""

import shutil

import pytest
import yaml
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from lab.app.server.guard import Guard
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.video.live.captures.watched_folder import take_announced
from tests.feeds.status_examples import (
    JPEG,
    Watching,
    feed_row,
    many,
    sink_row,
    status_of,
    write_status,
)

BEARER = {"Authorization": "Bearer secret"}


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def client(store):
    app_state = AppState(Config(store=store))
    app = Starlette(
        routes=routes(app_state), middleware=[Middleware(Guard, token="secret")], debug=False
    )
    with TestClient(app, base_url="http://localhost", headers=BEARER) as made:
        yield made
    app_state.close()


def asked(client, **query):
    answer = client.get("/api/feeds", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_store_without_feeds_has_none(client):
    found = asked(client)
    assert (found["is_watched"], found["total"], found["rows"], found["sinks"]) == (
        False,
        0,
        [],
        [],
    )


def test_feeds_come_page_by_page_in_their_order(client, store):
    write_status(store, status_of(many(200)))
    first, last = asked(client, count=24), asked(client, first=999, count=24)
    assert [row["id"] for row in first["rows"]] == [f"camera_{i:03d}" for i in range(24)]
    assert (first["total"], first["fitting"], sum(first["states"].values())) == (200, 200, 200)
    assert [row["id"] for row in last["rows"]] == [f"camera_{i:03d}" for i in range(192, 200)]
    assert last["first"] == 192


def test_what_is_in_the_file_that_is_watched_is_told_from_what_pages_made(client, store):
    feeds = {"gate": feed_row("gate"), "Garden": feed_row("Garden")}
    sinks = {"chat": sink_row("discord"), "table": sink_row("csv")}

    def told():
        found = asked(client)
        rows = {row["id"]: row["is_of_file"] for row in found["rows"]}
        return rows | {row["name"]: row["is_of_file"] for row in found["sinks"]}

    write_status(store, status_of(feeds, sinks=sinks, file="/home/me/feeds.yaml"))
    assert told() == dict.fromkeys(["gate", "Garden", "chat", "table"], True)
    made = {"feeds": [{"id": "Garden"}, "none"], "sinks": {"table": {"type": "csv"}}}
    (store / "feeds" / "app.yaml").write_text(yaml.safe_dump(made))
    assert told() == {"gate": True, "Garden": False, "chat": True, "table": False}
    assert "/home/me" not in client.get("/api/feeds").text
    write_status(store, status_of(feeds, sinks=sinks))
    assert told() == dict.fromkeys(["gate", "Garden", "chat", "table"], False)


def test_feeds_are_found_by_words_and_state(client, store):
    feeds = many(20)
    feeds["camera_004"] |= {"problem": "the disk is full", "state": "live"}
    write_status(store, status_of(feeds))
    assert [row["id"] for row in asked(client, text="CAMERA 013")["rows"]] == ["camera_013"]
    assert {row["state"] for row in asked(client, state="stopped")["rows"]} == {"stopped"}
    trouble = asked(client, state="trouble")["rows"]
    assert "camera_004" in [row["id"] for row in trouble]
    assert not {"stopped", "ended"} & {row["state"] for row in trouble}


def test_a_page_gets_what_it_shows_and_no_path(client, store):
    sinks = {"chat": sink_row("discord", state="failing", waiting=3, reason="no connection")}
    write_status(store, status_of({"garden": feed_row("garden")}, sinks=sinks))
    found = asked(client)
    (row,), (sink,) = found["rows"], found["sinks"]
    assert row["sightings"] == {"cat": 2, "person": 1}
    assert row["present"] == ["cat"]
    assert (sink["name"], sink["waiting"], sink["reason"]) == ("chat", 3, "no connection")
    assert "/store/feeds" not in str(found)


def test_while_nothing_watches_the_feeds_of_pages_are_listed_without_their_settings(client, store):
    (store / "feeds").mkdir(parents=True)
    source = {"type": "stream", "url": "rtsp://admin:hunter2@camera/"}
    rows = [{"id": "garden", "name": "Garden", "source": source}, {"id": 7}, "x"]
    (store / "feeds" / "app.yaml").write_text(yaml.safe_dump({"feeds": rows}))
    write_status(store, status_of({"old": feed_row("old")}, now=1e9))  # its process is gone
    answer = client.get("/api/feeds")
    (row,) = answer.json()["rows"]
    assert (row["id"], row["name"], row["state"]) == ("garden", "Garden", "unwatched")
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("text", ["feeds: 3", "- a", "feeds: [{id: a, source: 1}]", "{", "\0"])
def test_a_file_of_feeds_that_is_none_lists_none(client, store, text):
    (store / "feeds").mkdir(parents=True)
    (store / "feeds" / "app.yaml").write_text(text)
    assert asked(client)["rows"] == []


def test_the_last_picture_is_given_and_changes(client, store):
    write_status(store, status_of({"garden": feed_row("garden")}), pictures=["garden"])
    answer = client.get("/api/feeds/garden/last.jpg")
    assert (answer.content, answer.headers["content-type"]) == (JPEG, "image/jpeg")
    (store / "feeds" / "garden" / "last.jpg").write_bytes(JPEG + b"\0")
    assert client.get("/api/feeds/garden/last.jpg").content == JPEG + b"\0"


@pytest.mark.parametrize("feed_id", ["none", "..", "%2e%2e", "..%2f..%2fsecret", "a%00b"])
def test_no_other_picture_can_be_had(client, store, tmp_path, feed_id):
    write_status(store, status_of({}))
    (tmp_path / "secret").mkdir()
    for folder in (tmp_path, tmp_path / "secret", store):
        (folder / "last.jpg").write_bytes(JPEG)
    assert client.get(f"/api/feeds/{feed_id}/last.jpg").status_code in (400, 404)


def test_a_click_is_done_by_the_process_that_watches(client, store):
    with Watching(store, status_of({"garden": feed_row("garden")})) as watching:
        for do in ("stop", "start", "analyse_now"):
            answer = client.post("/api/feeds/garden/command", json={"do": do})
            assert answer.status_code == 200, answer.text
        assert [command["do"] for command in watching.taken] == ["stop", "start", "analyse_now"]
        assert {command["feed"] for command in watching.taken} == {"garden"}


def test_what_is_refused_comes_back_as_one_line(client, store):
    with Watching(store, status_of({"garden": feed_row("garden")})) as watching:
        watching.refuses = "the feed is stopping; try again"
        answer = client.post("/api/feeds/garden/command", json={"do": "start"})
        assert (answer.status_code, answer.text) == (400, "the feed is stopping; try again")
        answer = client.post("/api/feeds/other/command", json={"do": "start"})
        assert (answer.status_code, answer.text) == (
            404,
            "no feed 'other' is watched in this store",
        )
        for do in ("remove", "shut_down", "edit"):
            answer = client.post("/api/feeds/garden/command", json={"do": do})
            assert answer.status_code == 400
            assert "do must be one of start, stop, analyse_now" in answer.text
        assert [command["do"] for command in watching.taken] == ["start"]


def test_a_click_while_nothing_watches_is_an_error(client, store):
    write_status(store, status_of({"garden": feed_row("garden")}))
    answer = client.post("/api/feeds/garden/command", json={"do": "start"})
    assert (answer.status_code, "start `lab watch`" in answer.text) == (400, True)


def test_metrics_are_guarded_and_a_bearer_token_opens_them(client, store):
    pytest.importorskip("prometheus_client", reason="needs the extra live")
    write_status(store, status_of({"garden": feed_row("garden")}))
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'sighting_lab_feed_up{feed="garden"} 1.0' in answer.text
    for route in ("/metrics", "/api/feeds", "/api/feeds/garden/last.jpg"):
        assert client.get(route, headers={"Authorization": ""}).status_code == 401
        foreign = {"Origin": "http://elsewhere.example"}
        assert client.get(route, headers=foreign).status_code == 403
    shutil.rmtree(store / "feeds")
    lines = client.get("/metrics").text.splitlines()
    assert not [line for line in lines if line.startswith("sighting_lab_feed_up")]


def test_a_segment_is_announced_to_the_feed_that_watches_its_folder(client, store):
    rows = {
        "door": feed_row("door", source_type="segments"),
        "pond": feed_row("pond", source_type="stream"),
    }
    with Watching(store, status_of(rows)):
        answer = client.post("/api/feeds/door/segments", json={"name": "part7.ts"})
        assert answer.status_code == 202, answer.text
        assert take_announced(store / "feeds" / "door" / "source") == {"part7.ts"}
        for feed_id, name, status in (
            ("door", "../part7.ts", 400),
            ("door", "/etc/passwd", 400),
            ("pond", "part7.ts", 400),
            ("other", "part7.ts", 404),
        ):
            answer = client.post(f"/api/feeds/{feed_id}/segments", json={"name": name})
            assert answer.status_code == status, answer.text
        assert not (store / "feeds" / "other").exists()
