"""What the guide says of feeds is all that there is."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

from lab.feeds.day_counts import DayCounts
from lab.feeds.entry_sinks import sink_settings
from lab.feeds.entry_source import source_settings
from lab.feeds.feed import Feed
from lab.feeds.feed_status import feed_status
from lab.feeds.feeds_file import FEED_KEYS
from lab.sinks.registered import sinks
from lab.video.live.captures.registered import captures
from tests.feeds.test_metrics import NAMES

TEXT = (Path(__file__).parents[2] / "docs" / "guide" / "feeds.md").read_text()
CODE = set(re.findall(r"`([^`\n]+)`", TEXT))


@pytest.mark.parametrize("key", FEED_KEYS)
def test_every_key_of_a_feed_is_in_the_guide(key):
    assert key in CODE


def test_every_key_of_the_status_is_in_the_guide():
    feed = Feed(feed_id="garden", source={"type": "stream", "url": "rtsp://camera/"})
    known = set(feed_status(feed, None, DayCounts(), []))
    assert known - {"viewer"} <= CODE


def test_the_guide_has_every_metric():
    metrics = {re.sub("_(bucket|count|sum)$", "", name) for name in NAMES}
    assert {f"sighting_lab_{name}" for name in metrics} <= CODE


def settings_in(heading, kind):
    """The table of a kind in the guide: by setting, its default as it is written."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = section.split(f"\n### `{kind}`\n")[1].split("\n### ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))


def is_said(written, default):
    """Words without a mark stand for a default of None or "", which says nothing by itself."""
    if default is inspect.Parameter.empty:
        return written == "required"
    text = written.strip("`")
    if default in (None, ""):
        return text == written != "required"
    return text == default or yaml.safe_load(text) == default


def check(heading, kind, made_by, settings):
    defaults = {name: one.default for name, one in inspect.signature(made_by).parameters.items()}
    written = settings_in(heading, kind)
    assert set(written) == set(settings)
    wrong = {
        name: (text, defaults[name])
        for name, text in written.items()
        if not is_said(text, defaults[name])
    }
    assert not wrong


@pytest.mark.parametrize("kind", [k for k in sinks.names() if sinks.get(k).is_for_feeds])
def test_every_setting_of_a_sink_is_in_the_guide_with_its_default(kind):
    check("Sinks", kind, sinks.get(kind), sink_settings(kind))


@pytest.mark.parametrize("kind", captures.names())
def test_every_setting_of_a_source_is_in_the_guide_with_its_default(kind):
    check("Sources", kind, captures.get(kind), source_settings(kind))
