"""The page Feeds without a browser: forms, and what the process that watches is asked for."""

import json
from contextlib import contextmanager

import pytest
import yaml

import lab
from lab.access.asker import Asker
from lab.app.server import state as desks
from lab.app.ui.widgets import typed
from lab.rules.rule import Rule
from tests.feeds.status_examples import Watching, feed_row, sink_row, status_of
from tests.pages.test_pages import show


class Watched:
    """In place of the process that the app would start. asked: how often it was to start one."""

    asked = 0

    def ensure_started(self):
        self.asked += 1

    def close(self):
        pass


@contextmanager
def watched(store, feeds, monkeypatch, **more):
    monkeypatch.setattr(desks.app_state(), "watching", Watched())
    with Watching(store, status_of(feeds, **more)) as watching:
        yield watching


def ask(what, name=None):
    """The page with a dialog open, as a click on a card opens it."""
    page = show("feeds")
    page.session_state["open_dialog"] = f"feeds {what}"
    page.session_state["feeds_asked"] = name
    return page.run()


def field(page, label, kind="text_input"):
    (found,) = [one for one in page.get(kind) if one.label == label]
    return found


def press(page, label):
    next(button for button in page.button if button.label == label).click().run()


def components(page):
    return [json.loads(one.proto.json) for one in page.get("bidi_component")]


def test_a_store_without_feeds_says_what_a_feed_is_and_offers_the_first(store):
    page = show("feeds")
    assert not page.exception
    assert "No feeds yet" in page.info[0].value
    assert [b.label for b in page.button if b.proto.type == "primary"] == ["Add a feed"]
    assert components(page) == []


def test_feeds_that_nobody_watches_are_shown_with_a_button_that_starts_it(store, monkeypatch):
    (store / "feeds").mkdir(parents=True)
    rows = [{"id": "garden", "source": {"type": "stream", "url": "rtsp://camera/"}}]
    (store / "feeds" / "app.yaml").write_text(yaml.safe_dump({"feeds": rows}))
    page = show("feeds")
    assert "Nothing watches these feeds" in page.warning[0].value
    process = Watched()
    monkeypatch.setattr(desks.app_state(), "watching", process)
    press(page, "Start watching")
    assert process.asked == 1


def test_two_hundred_feeds_make_the_page_no_longer(store, monkeypatch):
    feeds = {f"camera_{i}": feed_row(f"camera_{i}") for i in range(200)}
    with watched(store, feeds, monkeypatch):
        page = show("feeds")
    assert not page.exception
    (data,) = components(page)
    assert len(json.dumps(data)) < 200  # rows come by a route, a page of them


def test_where_a_terminal_watches_its_file_is_named_and_feeds_are_edited_there(store, monkeypatch):
    feeds = {"garden": feed_row("garden")}
    with watched(store, feeds, monkeypatch, file="/home/me/feeds.yaml"):
        page = show("feeds")
        assert "/home/me/feeds.yaml" in page.caption[0].value
        page = ask("edit", "garden")
        assert "edit it there" in page.info[0].value
        for what, name in [("remove", "garden"), ("remove_sink", "table")]:
            page = ask(what, name)
            assert "remove it there" in page.info[0].value
            assert not [one for one in page.button if one.label == "Remove"]


def test_a_feed_is_made_in_the_form_and_its_password_is_kept_by_name_only(store, monkeypatch):
    with watched(store, {"old": feed_row("old")}, monkeypatch) as watching:
        page = ask("add")
        press(page, "Add")
        assert "Give an id" in page.error[0].value
        field(page, "Id").input("old").run()
        press(page, "Add")
        assert "There is a feed" in page.error[0].value
        field(page, "Id").input("garden").run()
        press(page, "Add")
        assert "Still missing: Address" in page.error[0].value
        assert watching.taken == []
        field(page, "Name").input("The garden").run()
        field(page, "Address").input("rtsp://admin:hunter2@camera/1").run()
        field(page, "Seconds between samples", "number_input").set_value(0.5).run()
        press(page, "Add")
        assert not page.exception
        assert not page.error
    (command,) = watching.taken
    feed = command["feed"]
    assert (command["do"], feed["id"], feed["name"]) == ("add", "garden", "The garden")
    assert feed["every_s"] == 0.5
    assert feed["detector"]["type"] == "yolo"
    assert feed["source"]["url"].startswith("rtsp://admin:${")
    assert "hunter2" not in json.dumps(command)
    assert "hunter2" in (store / "feeds" / ".env").read_text()


def test_who_is_not_at_this_machine_names_public_addresses_only(store, monkeypatch):
    asker = Asker(name="eve@example.org", scope="admin")
    monkeypatch.setattr(typed, "session_asker", lambda: asker)
    with watched(store, {}, monkeypatch) as watching:
        page = ask("add")
        field(page, "Id").input("garden").run()
        field(page, "Address").input("http://admin:hunter2@192.168.1.20/video").run()
        press(page, "Add")
        assert "private network" in page.error[0].value
        assert "hunter2" not in page.error[0].value
        assert watching.taken == []
        field(page, "Address").input("http://8.8.8.8/video").run()
        press(page, "Add")
        assert not page.error
    assert watching.taken[0]["feed"]["source"]["public_only"] is True


def test_a_feed_of_the_app_is_edited_and_what_has_no_field_stays(store, monkeypatch):
    row = {
        "id": "garden",
        "name": "Garden",
        "source": {"type": "stream", "url": "rtsp://me:${CAM}@camera/", "rtsp_transport": "udp"},
        "detector": {"type": "yolo", "labels": ["cat"]},
        "debounce": {"cooldown_s": 7},
        "sinks": ["chat"],
    }
    (store / "feeds").mkdir(parents=True)
    (store / "feeds" / "app.yaml").write_text(yaml.safe_dump({"feeds": [row]}))
    (store / "feeds" / ".env").write_text("CAM=hunter2\n")
    with watched(store, {"garden": feed_row("garden")}, monkeypatch) as watching:
        page = ask("edit", "garden")
        assert "hunter2" not in str(page)
        field(page, "Name").input("Back garden").run()
        press(page, "Save")
        assert not page.error
    (command,) = watching.taken
    assert command["do"] == "edit"
    assert {**row, "name": "Back garden"}.items() <= command["feed"].items()


def test_a_page_may_name_only_paths_under_the_media_roots(store, monkeypatch, tmp_path):
    row = {
        "id": "clip",
        "source": {"type": "file", "path": str(tmp_path / "clip.mp4")},
        "detector": {"type": "yolo"},
    }
    (store / "feeds").mkdir(parents=True)
    (store / "feeds" / "app.yaml").write_text(yaml.safe_dump({"feeds": [row]}))
    with watched(store, {"clip": feed_row("clip")}, monkeypatch) as watching:
        page = ask("edit", "clip")
        press(page, "Save")
        assert "not under the media\\_roots" in page.error[0].value
        assert watching.taken == []


def test_no_page_sends_the_environment_of_the_app_elsewhere(store, monkeypatch):
    monkeypatch.setenv("CLOUD_KEY", "hunter2")
    with watched(store, {"old": feed_row("old")}, monkeypatch) as watching:
        page = ask("add")
        field(page, "Id").input("garden").run()
        field(page, "Address").input("https://elsewhere.example/${CLOUD_KEY}").run()
        press(page, "Add")
        assert "CLOUD" in page.error[0].value
        assert "is not in .env" in page.error[0].value
        assert watching.taken == []


@pytest.mark.parametrize("path", ["/etc/cron.d/x.csv", "../../catalog.duckdb", "~/x.csv"])
def test_a_sink_of_a_page_writes_only_where_pages_may(store, monkeypatch, path):
    with watched(store, {"old": feed_row("old")}, monkeypatch) as watching:
        page = ask("add_sink")
        field(page, "Type", "selectbox").select("csv").run()
        field(page, "Path").input(path).run()
        press(page, "Add")
        assert "not under the media\\_roots" in page.error[0].value
        assert watching.taken == []


def test_a_rule_is_changed_while_it_runs(store, monkeypatch):
    with watched(store, {"garden": feed_row("garden")}, monkeypatch) as watching:
        page = ask("rule", "garden")
        field(page, "Enter at", "number_input").set_value(0.7).run()
        field(page, "Cooldown, s", "number_input").set_value(60.0).run()
        press(page, "Apply")
        assert not page.error
    (command,) = watching.taken
    rule = Rule.from_dict(command["rule"])
    assert (command["do"], command["feed"], command["name"]) == ("rule", "garden", None)
    assert rule == Rule().changed(enter_threshold=0.7, cooldown_s=60)


def test_a_rule_that_is_none_says_why_and_cannot_be_applied(store, monkeypatch):
    with watched(store, {"garden": feed_row("garden")}, monkeypatch) as watching:
        page = ask("rule", "garden")
        field(page, "Exit below", "number_input").set_value(0.9).run()
        assert "must be at most" in page.error[0].value
        assert next(b for b in page.button if b.label == "Apply").disabled
        assert watching.taken == []


def test_a_saved_rule_is_taken_by_its_name(store, monkeypatch):
    strict = Rule().changed(enter_threshold=0.8)
    lab.open_store(store).store.save_rule("strict", strict)
    with watched(store, {"garden": feed_row("garden")}, monkeypatch) as watching:
        page = ask("rule", "garden")
        field(page, "Rule", "selectbox").select("strict").run()
        press(page, "Apply")
    (command,) = watching.taken
    assert (command["name"], Rule.from_dict(command["rule"])) == ("strict", strict)


def test_what_is_refused_stays_in_the_dialog(store, monkeypatch):
    with watched(store, {"garden": feed_row("garden", state="stopped")}, monkeypatch) as watching:
        watching.refuses = "the feed is active; stop it first"
        page = ask("remove", "garden")
        press(page, "Remove")
        assert page.error[0].value == "the feed is active; stop it first"
        assert [c["do"] for c in watching.taken] == ["remove"]


def test_a_sink_is_made_tried_and_removed(store, monkeypatch):
    sinks = {"table": sink_row("csv", waiting=3)}
    with watched(store, {"garden": feed_row("garden")}, monkeypatch, sinks=sinks) as watching:
        page = ask("add_sink")
        field(page, "Type", "selectbox").select("csv").run()
        press(page, "Add")
        assert "Still missing: Path" in page.error[0].value
        field(page, "Path").input("found.csv").run()
        press(page, "Add")
        assert not page.error
        press(ask("test_sink", "table"), "Send")
        page = ask("remove_sink", "table")
        assert "3 events wait" in page.warning[0].value
        press(page, "Remove")
    made, tried, removed = watching.taken
    assert (made["do"], made["name"]) == ("sink", "csv")
    assert made["sink"] == {"type": "csv", "path": str(store / "feeds" / "written" / "found.csv")}
    assert tried == {"do": "test_sink", "sink": "table"}
    assert removed == {"do": "remove_sink", "sink": "table"}
