"""Chats are told by our sinks what detstream's own sinks tell them."""

import asyncio
import os
from datetime import datetime

import pytest

from lab.sinks.make import make_sink
from tests.peers.web import serving
from tests.sinks.events import make_event

DAY = "%Y-%m-%d"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("comment", {"time_format": DAY}),
        ("comment", {"template": "{label} {confidence} {feed_name}", "min_confidence": 0.75}),
        ("comment", {"min_confidence": 0.76}),
        ("discord", {"color": 255, "watch_urls": {"pond": "https://example.org/live"}}),
        ("discord", {}),
    ],
)
def test_the_same_settings_send_the_same(peers, monkeypatch, name, settings):
    peers("detstream")
    from detstream.events import SightingStarted
    from detstream.sinks import sinks as theirs

    event = make_event(created_utc=datetime.now().astimezone().isoformat())
    begun = SightingStarted(event.feed, event.peak_confidence, event.label)
    with serving() as server:
        monkeypatch.setitem(os.environ, f"DETSTREAM_{name.upper()}_WEBHOOK_URL", server.url)
        asyncio.run(theirs.create(name, settings).on_sighting_start(begun, event.feed_name))
        expected = [one.json() for one in server.asked]
        server.asked.clear()
        with make_sink(name, settings) as sink:
            sink.deliver(event)
        found = [one.json() for one in server.asked]
    if name == "discord":  # ours says besides what it was and when
        (embed,), (expected_embed,) = found[0]["embeds"], expected[0]["embeds"]
        assert embed.pop("timestamp") == event.onset_utc
        assert embed.pop("title") == f"otter {expected_embed.pop('title')}"
        assert found[0].pop("allowed_mentions") == {"parse": []}
    assert found == expected
