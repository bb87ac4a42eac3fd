"""Embeds in Discord, and lines of text."""

import json

import pytest

from lab.errors import SettingError
from lab.sinks.comment import CommentSink
from lab.sinks.discord import DiscordSink
from lab.sinks.sink import DeliverLater, DeliveryFailed, SinkRefused
from tests.peers.web import Reply, in_turn, serving
from tests.sinks.events import make_event, make_jpeg

PLANTED = "planted-0123456789-secret"
PATH = f"/api/webhooks/123456/{PLANTED}"


def told(sink_class, events, answer=None, /, **settings):
    """The requests that a sink sends for events."""
    with (
        serving(answer or in_turn()) as server,
        sink_class(webhook_url=server.url + PATH, **settings) as sink,
    ):
        for event in events:
            sink.deliver(event)
        return server.asked


def test_an_alert_is_an_embed_with_the_picture_attached():
    event = make_event(picture_jpeg=make_jpeg())
    watch_urls = {"pond": "https://example.org/pond"}
    (request,) = told(DiscordSink, [event], watch_urls=watch_urls)
    assert (request.method, request.path) == ("POST", PATH)
    parts = request.parts()
    assert parts["files[0]"] == ("peak.jpg", "image/jpeg", event.picture_jpeg)
    message = json.loads(parts["payload_json"][2])
    assert message == {
        "embeds": [
            {
                "title": "otter spotted on The pond",
                "color": 0x6EC9A9,
                "fields": [{"name": "confidence", "value": "75%", "inline": True}],
                "timestamp": event.onset_utc,
                "url": "https://example.org/pond",
                "description": "[watch live](https://example.org/pond)",
                "image": {"url": "attachment://peak.jpg"},
            }
        ],
        "allowed_mentions": {"parse": []},
    }


def test_without_a_picture_it_is_plain_json():
    (request,) = told(DiscordSink, [make_event()], color="#ff0000")
    assert request.headers["content-type"] == "application/json"
    (embed,) = request.json()["embeds"]
    assert embed["color"] == 0xFF0000
    assert not {"image", "url"} & embed.keys()


def test_by_default_alerts_alone_are_told():
    kinds = ("opened", "updated", "alerted", "closed")
    assert len(told(DiscordSink, [make_event(kind) for kind in kinds])) == 1
    both = told(DiscordSink, [make_event(kind) for kind in kinds], events=["alerted", "closed"])
    titles = [one.json()["embeds"][0]["title"] for one in both]
    assert titles == ["otter spotted on The pond", "otter over on The pond"]


def test_a_test_says_that_it_is_one():
    (request,) = told(DiscordSink, [make_event(is_test=True)])
    assert request.json()["embeds"][0]["title"].startswith("TEST: ")


def test_a_rate_limit_is_waited_for_as_long_as_discord_asks():
    limit = Reply(429, {"message": "You are being rate limited.", "retry_after": 3.25})
    with pytest.raises(DeliveryFailed) as raised:
        told(DiscordSink, [make_event()], in_turn(limit))
    assert raised.value.retry_after_s == 3.25


def test_the_last_message_of_a_window_is_followed_by_a_wait():
    last = Reply(204, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "20"})
    with pytest.raises(DeliverLater) as raised:
        told(DiscordSink, [make_event(), make_event(sighting="b")], in_turn(last))
    assert 0 < raised.value.wait_s <= 20


@pytest.mark.parametrize(("status", "is_final"), [(400, False), (401, True), (404, True)])
def test_what_discord_will_never_take_is_refused(status, is_final):
    with pytest.raises(SinkRefused) as raised:
        told(DiscordSink, [make_event()], in_turn(Reply(status, {"code": 10015})))
    assert raised.value.is_final is is_final
    assert PLANTED not in str(raised.value)


def test_a_comment_is_a_line():
    settings = {"template": "{label} at {time} on {feed_name}, {confidence:.0%}",
                "time_format": "%Y"}  # fmt: skip
    (request,) = told(CommentSink, [make_event()], **settings)
    assert request.path == PATH
    assert request.json() == {"content": "otter at 2020 on The pond, 75%"}


def test_comments_are_of_alerts_that_are_sure_enough():
    events = [make_event("opened"), make_event(), make_event("closed"),
              make_event(sighting="b", peak_confidence=0.5)]  # fmt: skip
    (request,) = told(CommentSink, events, min_confidence=0.6)
    assert request.json()["content"].startswith("otter spotted at ")


def test_a_chat_that_is_gone_switches_comments_off():
    with pytest.raises(SinkRefused) as raised:
        told(CommentSink, [make_event()], in_turn(Reply(404)))
    assert raised.value.is_final


@pytest.mark.parametrize(
    ("sink_class", "name"), [(DiscordSink, "DISCORD"), (CommentSink, "COMMENT")]
)
def test_the_address_comes_from_the_environment_ours_first(sink_class, name, monkeypatch):
    with serving() as server:
        monkeypatch.setenv(f"DETSTREAM_{name}_WEBHOOK_URL", f"{server.url}/theirs")
        with sink_class() as sink:
            sink.deliver(make_event())
        monkeypatch.setenv(f"SIGHTING_LAB_{name}_WEBHOOK_URL", f"{server.url}/ours")
        with sink_class() as sink:
            sink.deliver(make_event())
        assert [one.path for one in server.asked] == ["/theirs", "/ours"]


@pytest.mark.parametrize(
    ("sink_class", "settings", "words"),
    [(DiscordSink, {"webhook_url": ""}, "webhook_url is missing; set the environment variable "
      "SIGHTING_LAB_DISCORD_WEBHOOK_URL"),
     (DiscordSink, {"color": "mint"}, "color must be from 0 to 0xFFFFFF, or like #6EC9A9"),
     (DiscordSink, {"watch_urls": ["a"]}, "watch_urls must be a mapping"),
     (DiscordSink, {"watch_urls": {"pond": "javascript:alert(1)"}}, "watch_urls.pond must be an"),
     (CommentSink, {"template": "{species} at {time}"}, "template: unknown name 'species'"),
     (CommentSink, {"template": "{label"}, "template cannot be filled"),
     (CommentSink, {"template": "{label.__class__}"}, "template: unknown name"),
     (CommentSink, {"min_confidence": 60}, "min_confidence must be from 0 to 1, got 60")],
)  # fmt: skip
def test_wrong_settings_say_what_to_write_instead(sink_class, settings, words, monkeypatch):
    for name in ("DISCORD", "COMMENT"):
        for whose in ("DETSTREAM", "SIGHTING_LAB"):
            monkeypatch.delenv(f"{whose}_{name}_WEBHOOK_URL", raising=False)
    with pytest.raises(SettingError, match=words):
        sink_class(**{"webhook_url": f"https://127.0.0.1{PATH}", **settings})
