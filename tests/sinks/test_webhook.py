"""Events by HTTP, exactly as Standard Webhooks has them."""

import base64
import json
import time
from email.utils import formatdate

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from lab.errors import LabError, SettingError
from lab.sinks.sink import DeliveryFailed, SinkRefused
from lab.sinks.webhook import WebhookSink, signature
from tests.peers.web import Reply, in_turn, serving
from tests.sinks.events import make_event, make_jpeg

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
PLANTED = "planted-0123456789-secret"


def sent(event, answer=None, **settings):
    """The requests that a sink sends for an event."""
    with serving(answer or in_turn()) as server, WebhookSink(url=server.url, **settings) as sink:
        sink.deliver(event)
        return server.asked


def test_the_signature_is_that_of_the_standards_own_example():
    key = base64.b64decode(OLD.removeprefix("whsec_"))
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("picture", ["none", "base64", "multipart"])
def test_the_standards_own_library_verifies_what_arrives(picture):
    event = make_event(picture_jpeg=make_jpeg())
    (request,) = sent(event, secret=OLD, picture=picture)
    assert request.method == "POST"
    assert request.headers["webhook-id"] == event.event_id
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
    verified(OLD, request)
    with pytest.raises(WebhookVerificationError):
        verified(NEW, request)
    body = request.body
    if picture == "multipart":
        parts = request.parts()
        assert parts["picture"] == ("peak.jpg", "image/jpeg", event.picture_jpeg)
        body = parts["event"][2]
    else:
        assert request.headers["content-type"] == "application/json"
    told = json.loads(body)
    assert (told["type"], told["timestamp"]) == ("sighting.alerted", event.created_utc)
    assert told["data"]["sighting_id"] == event.sighting_id
    assert "recording" not in told["data"]
    if picture == "base64":
        assert base64.b64decode(told["data"]["picture_jpeg"]) == event.picture_jpeg


def verified(secret, request):
    """By the library of the standard, which also wants JSON; a form is signed like any body."""
    from standardwebhooks.webhooks import hmac_data

    hook = Webhook(secret)
    if request.headers["content-type"] == "application/json":
        return hook.verify(request.body, request.headers)
    head = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
    made = base64.b64encode(hmac_data(hook._whsecret, head.encode() + request.body)).decode()
    if f"v1,{made}" not in request.headers["webhook-signature"].split():
        raise WebhookVerificationError("No matching signature found")
    return None


def test_while_keys_are_changed_each_signs():
    (request,) = sent(make_event(), secret=f"{NEW} {OLD}")
    assert len(request.headers["webhook-signature"].split()) == 2
    for secret in (NEW, OLD):
        Webhook(secret).verify(request.body, request.headers)


def test_a_retry_has_the_same_id_and_the_same_body():
    with serving(in_turn(Reply(500))) as server, WebhookSink(url=server.url, secret=OLD) as sink:
        with pytest.raises(DeliveryFailed, match=r"^127\.0\.0\.1 answered 500$"):
            sink.deliver(make_event())
        sink.deliver(make_event())
    first, second = server.asked
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_410_disables():
    with pytest.raises(SinkRefused) as raised:
        sent(make_event(), in_turn(Reply(410)))
    assert raised.value.is_final


@pytest.mark.parametrize(
    ("status", "after", "low", "high"),
    [(429, "7", 7, 7), (503, lambda: formatdate(time.time() + 90, usegmt=True), 30, 91),
     (503, "soon", 0, 0), (500, "7", 0, 0)],
)  # fmt: skip
def test_retry_after_is_honoured_in_seconds_and_as_a_date(status, after, low, high):
    text = after if isinstance(after, str) else after()
    with pytest.raises(DeliveryFailed) as raised:
        sent(make_event(), in_turn(Reply(status, headers={"Retry-After": text})))
    assert low <= raised.value.retry_after_s <= high


def test_a_redirect_is_not_followed():
    with serving() as other:
        answer = in_turn(Reply(307, headers={"Location": other.url}))
        with pytest.raises(DeliveryFailed, match="answered 307, a redirect, which is not followed"):
            sent(make_event(), answer, secret=OLD)
        assert not other.asked


def test_a_server_that_never_answers_is_given_up():
    begun = time.monotonic()
    with pytest.raises(DeliveryFailed, match=r"did not answer within 0\.2 s"):
        sent(make_event(), in_turn(Reply(is_silent=True)), timeout_s=0.2)
    assert time.monotonic() - begun < 60


def test_only_the_events_that_are_wanted_are_sent():
    with serving() as server:
        for events in (None, ["closed"], "updated"):
            with WebhookSink(url=server.url, events=events) as sink:
                for kind in ("opened", "updated", "alerted", "closed"):
                    sink.deliver(make_event(kind))
        kinds = [request.json()["type"].partition(".")[2] for request in server.asked]
    assert kinds == ["opened", "alerted", "closed", "closed", "updated"]


def test_rows_of_a_job_are_sent_with_an_id_that_stays():
    rows = [{"label": "otter", "onset_s": float(n)} for n in range(250)]
    with serving() as server:
        for _ in range(2):
            with WebhookSink(url=server.url, secret=OLD) as sink:
                sink.check([])
                sink.write(rows)
                sink.finish()
        asked = server.asked
    assert [len(one.json()["data"]["sightings"]) for one in asked] == [200, 50, 200, 50]
    assert asked[0].headers["webhook-id"] == asked[2].headers["webhook-id"]
    assert asked[0].headers["webhook-id"] != asked[1].headers["webhook-id"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"url": ""}, "url is missing; set the environment variable SIGHTING_LAB_WEBHOOK_URL"),
     ({"url": f"ftp://host/{PLANTED}"}, "url must be an address with http"),
     ({"url": f"http://:99999/{PLANTED}"}, "url must be an address with http"),
     ({"secret": PLANTED}, "secret must be whsec_ and the base64"),
     ({"secret": "whsec_c2hvcnQ="}, "secret must be whsec_ and the base64"),
     ({"events": ["begun"]}, "unknown event 'begun'; known: alerted, closed, opened, updated"),
     ({"events": []}, "events must name one or more"),
     ({"picture": "png"}, "picture must be none, base64 or multipart, got 'png'"),
     ({"headers": {"a b": "c"}}, "headers: 'a b' is no name of a header"),
     ({"headers": {"X": f"{PLANTED}\nY: z"}}, "headers.x must be printable ASCII"),
     ({"timeout_s": 0}, "timeout_s must be above 0")],
)  # fmt: skip
def test_wrong_settings_say_what_to_write_instead(settings, words, monkeypatch):
    monkeypatch.delenv("SIGHTING_LAB_WEBHOOK_URL", raising=False)
    with pytest.raises(SettingError, match=words) as raised:
        WebhookSink(**{"url": "http://127.0.0.1:9/x", **settings})
    assert PLANTED not in str(raised.value)


def test_address_and_secret_may_come_from_the_environment(monkeypatch):
    with serving() as server:
        monkeypatch.setenv("SIGHTING_LAB_WEBHOOK_URL", server.url)
        monkeypatch.setenv("SIGHTING_LAB_WEBHOOK_SECRET", OLD)
        with WebhookSink() as sink:
            sink.deliver(make_event())
    Webhook(OLD).verify(server.asked[0].body, server.asked[0].headers)


def test_an_answer_that_repeats_the_address_shows_no_secret():
    """As error pages do, with headers and all."""
    echo = f"no route /{PLANTED}?token={PLANTED}, Authorization: Bearer {PLANTED}, key {OLD}"
    with serving(in_turn(Reply(404, echo.encode()))) as server:
        settings = {
            "url": f"{server.url}/{PLANTED}", "secret": OLD,
            "headers": {"Authorization": f"Bearer {PLANTED}"},
        }  # fmt: skip
        with WebhookSink(**settings) as sink, pytest.raises(LabError) as raised:
            sink.deliver(make_event())
    assert server.asked[0].headers["authorization"] == f"Bearer {PLANTED}"
    assert "answered 404: no route /***" in str(raised.value)
    assert PLANTED not in repr(raised.value)
    assert OLD not in repr(raised.value)
