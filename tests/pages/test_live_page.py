"""The page Live without a browser: the form, and what the process that watches is asked for."""

import json

import pytest

from lab.app.server import state as desks
from lab.app.ui.widgets.live_form import new_id
from tests.builders import make_run, scores_of
from tests.feeds.status_examples import Watching, feed_row, status_of
from tests.pages.test_pages import show


class Watched:
    """In place of the process that the app would start: somebody watches already."""

    def ensure_started(self):
        pass

    def close(self):
        pass


@pytest.fixture
def nobody_started(monkeypatch):
    monkeypatch.setattr(desks.app_state(), "watching", Watched())


def press(page, label):
    next(button for button in page.button if button.label == label).click().run()


def field(page, label, kind="text_input"):
    return next(one for one in page.get(kind) if one.label == label)


def test_without_feeds_the_page_says_what_to_do(store):
    page = show("live")
    assert not page.exception
    assert page.title[0].value == "Live"
    assert [b.label for b in page.button if b.proto.type == "primary"] == ["Start"]
    assert "choose a source" in page.markdown[0].value


def test_what_is_missing_is_said_and_nothing_is_started(store, nobody_started):
    page = show("live")
    press(page, "Start")
    assert "Address" in page.error[0].value


def test_the_source_is_added_and_its_password_kept_apart(store, nobody_started):
    page = show("live")
    field(page, "Address").input("rtsp://me:geheim@camera.local/main")
    field(page, "Name").input("Front door")
    page.run()
    with Watching(store, status_of({})) as watching:
        press(page, "Start")
        (command,) = [c for c in watching.taken if c["do"] == "add"]
    assert command["feed"]["id"] == "front-door"
    assert command["feed"]["every_s"] == 0.5
    assert "geheim" not in json.dumps(command)
    assert "${FEED_SECRET_" in command["feed"]["source"]["url"]
    assert "geheim" in (store / "feeds" / ".env").read_text()


def test_a_feed_without_a_session_says_how_it_is(store):
    row = feed_row("Garden") | {"state": "failed", "reason": "no such host", "run_id": None}
    with Watching(store, status_of({"garden": row})):
        page = show("live")
    assert not page.exception
    assert "no such host" in page.info[0].value
    assert "Start" in [b.label for b in page.button]


def test_the_session_of_a_feed_is_shown_by_its_rule(store, tmp_path):
    run = make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0)
    rule = run.default_rule.changed(enter_threshold=0.7)
    row = feed_row("Garden") | {
        "state": "live",
        "run_id": run.run_id,
        "rule": rule.to_dict(),
        "rule_hash": rule.rule_hash,
    }
    with Watching(store, status_of({"garden": row})) as watching:
        page = show("live")
        assert not [c for c in watching.taken if c["do"] == "rule"]
    assert not page.exception
    (player,) = [json.loads(one.proto.json) for one in page.get("bidi_component")]
    assert player["live"] == "garden"
    assert player["rule"]["default"]["debounce"]["enter_threshold"] == 0.7
    assert {"Stop", "Review"} <= {b.label for b in page.button}


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [
        ("Front door", (), "front-door"),
        ("Front door", ("front-door",), "front-door-2"),
        ("рысь", ("live",), "live-2"),
        ("x" * 90, (), "x" * 40),
    ],
)
def test_the_id_of_a_feed_is_made_of_its_name(name, taken, expected):
    assert new_id(name, taken) == expected
