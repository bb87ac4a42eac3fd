"""Sinks made, changed, tried and removed while their feeds are watched."""

import json

import pytest
import yaml

from lab.errors import SettingError
from lab.feeds.feed_files import FeedFiles
from lab.feeds.watcher import Watcher
from lab.store.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def files(store):
    return FeedFiles(store)


@pytest.fixture
def watcher(store, files):
    found = files.read()
    with Watcher(found.feeds, found.sinks, store, files=files) as made:
        yield made


def written(store):
    return yaml.safe_load((store.folder / "feeds" / "app.yaml").read_text())


def table(path):
    return {"do": "sink", "name": "table", "sink": {"type": "jsonl", "path": str(path)}}


def test_a_sink_is_made_at_once_and_tried(watcher, store, tmp_path):
    watcher.handle(table(tmp_path / "a.jsonl"))
    assert watcher.status()["sinks"]["table"]["state"] == "ok"
    assert written(store)["sinks"]["table"]["path"] == str(tmp_path / "a.jsonl")
    watcher.handle({"do": "test_sink", "sink": "table"})
    watcher.stop()  # what is due is delivered
    events = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert "alerted" in [event["kind"] for event in events]
    assert all(event["is_test"] for event in events)


def test_a_sink_that_cannot_be_made_changes_nothing(watcher, store, tmp_path):
    watcher.handle(table(tmp_path / "a.jsonl"))
    webhook = {"type": "webhook", "url": "https://example.org/", "picture": "huge"}
    for wrong in ({"type": "jsonl", "pth": "b"}, webhook):
        with pytest.raises(SettingError, match="table"):
            watcher.handle({"do": "sink", "name": "table", "sink": wrong})
    with pytest.raises(SettingError, match="unknown sink 'jsonq'"):
        watcher.handle({"do": "sink", "name": "other", "sink": {"type": "jsonq"}})
    assert watcher.status()["sinks"]["table"]["type"] == "jsonl"
    assert list(watcher.status()["sinks"]) == ["table"]
    assert written(store)["sinks"]["table"] == table(tmp_path / "a.jsonl")["sink"]


def test_a_sink_that_a_feed_tells_is_not_removed(watcher, store, tmp_path):
    watcher.handle(table(tmp_path / "a.jsonl"))
    row = {
        "id": "garden",
        "source": {"type": "stream", "url": "rtsp://127.0.0.1:9/"},
        "detector": {"type": "motion"},
        "sinks": ["table"],
        "start": False,
    }
    watcher.handle({"do": "add", "feed": row})
    with pytest.raises(SettingError, match="told by garden; take it from there first"):
        watcher.handle({"do": "remove_sink", "sink": "table"})
    watcher.handle({"do": "remove", "feed": "garden"})
    watcher.handle({"do": "remove_sink", "sink": "table"})
    assert watcher.status()["sinks"] == {}
    assert written(store)["sinks"] == {}


def test_what_is_no_sink_is_named_with_those_that_are(watcher, tmp_path):
    watcher.handle(table(tmp_path / "a.jsonl"))
    for do in ("test_sink", "remove_sink"):
        with pytest.raises(SettingError, match=r"no sink 'tabel'.*table"):
            watcher.handle({"do": do, "sink": "tabel"})
    with pytest.raises(SettingError, match="no sink with a name"):
        watcher.handle({"do": "sink", "name": "x"})


def test_a_sink_of_the_named_file_is_changed_there(store, tmp_path):
    file = tmp_path / "feeds.yaml"
    file.write_text(yaml.safe_dump({"feeds": [], "sinks": {"table": {"type": "console"}}}))
    files = FeedFiles(store, file)
    found = files.read()
    with Watcher(found.feeds, found.sinks, store, files=files) as watcher:
        for command in (table("a.jsonl"), {"do": "remove_sink", "sink": "table"}):
            with pytest.raises(SettingError, match=r"feeds\.yaml; change it there"):
                watcher.handle(command)


def test_no_secret_in_plain_is_written(watcher, store):
    sink = {"type": "discord", "webhook_url": "https://discord.example/api/webhooks/1/x?token=abc"}
    with pytest.raises(SettingError, match="named here as"):
        watcher.handle({"do": "sink", "name": "chat", "sink": sink})
    assert not (store.folder / "feeds" / "app.yaml").exists()
