"""Events over MQTT, with a real broker."""

import json
import subprocess
from contextlib import contextmanager

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from lab.errors import LabError, SettingError
from lab.sinks.mqtt import MqttSink
from tests.peers.brokers import mosquitto
from tests.peers.programs import free_port
from tests.peers.programs import wait_for as until
from tests.recordings import make_event

SECRET = "hunter2-planted"


@contextmanager
def listening(port, **broker):
    """What a client of its own hears: topics with all that was said there, in order."""
    heard = {}
    client = Client(CallbackAPIVersion.VERSION2)
    client.reconnect_delay_set(1, 1)
    if "password" in broker:
        client.username_pw_set("lab", broker["password"])

    def connected(client, *_):
        client.subscribe("#", 1)

    def subscribed(*_):
        heard.setdefault("", []).append("listens")

    def took(_client, _data, message):
        heard.setdefault(message.topic, []).append(message.payload)

    client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, took
    client.connect("127.0.0.1", port)
    client.loop_start()
    until(lambda: "" in heard, "the listener")
    try:
        yield heard, client
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def broker(tmp_path):
    with mosquitto(tmp_path) as server:
        yield server


def last(heard, topic):
    return heard.get(topic, [None])[-1]


def settings_of(server, **more):
    return {"host": "127.0.0.1", "port": server.port, **more}


def test_presence_peak_and_events_are_published(broker):
    with listening(broker.port) as (heard, _), MqttSink(**settings_of(broker)) as sink:
        sink.deliver(make_event("opened"))
        until(lambda: last(heard, "sighting-lab/pond/otter/presence") == b"ON", "presence")
        sink.deliver(make_event("updated", picture_jpeg=b"jpeg", sequence=2))
        sink.deliver(make_event("closed", sequence=3, recording="/home/me/store"))
        until(lambda: last(heard, "sighting-lab/pond/otter/presence") == b"OFF", "its end")
        until(lambda: len(heard.get("sighting-lab/events", [])) == 3, "events")
        assert last(heard, "sighting-lab/pond/otter/peak") == b"jpeg"
        assert last(heard, "sighting-lab/available") == b"online"
        events = [json.loads(one) for one in heard["sighting-lab/events"]]
        assert [one["type"] for one in events] == ["opened", "updated", "closed"]
        known = {"sighting_id", "feed", "label", "peak_s", "peak_utc", "onset_earliest_s"}
        assert known | {"boxes", "rule_hash", "run_id", "offset_latest_s"} <= set(events[0])
        assert "/home/me" not in json.dumps(events)
        sink.close()
        until(lambda: last(heard, "sighting-lab/available") == b"offline", "its end")


def test_what_home_assistant_is_told_names_topics_that_are_published(broker):
    feeds = {"pond": {"name": "Pond", "state": "live", "labels": ["otter"], "present": {}}}
    with listening(broker.port) as (heard, _), MqttSink(**settings_of(broker)) as sink:
        sink.watched(feeds)
        topic = "homeassistant/device/sighting-lab_pond/config"
        until(lambda: topic in heard, "discovery")
        sink.deliver(make_event("opened", label="red fox/1", picture_jpeg=b"jpeg"))
        until(lambda: len(heard[topic]) == 2, "a new label")
        until(lambda: "sighting-lab/events" in heard, "the event")
        device = json.loads(last(heard, topic))
        parts = device["cmps"]
        said = {part["p"]: part for part in parts.values()}
        assert {"binary_sensor", "image", "event", "sensor"} == set(said)
        ids = [part["unique_id"] for part in parts.values()]
        assert len(set(ids)) == len(ids) == 6
        assert device["avty_t"] in heard
        topics = {p.get("state_topic") or p["image_topic"] for p in parts.values()}
        until(lambda: len(topics - set(heard)) == 1, "all topics")
        assert topics - set(heard) == {"sighting-lab/pond/otter/peak"}
        assert last(heard, "sighting-lab/pond/state") == b"live"
        assert last(heard, "sighting-lab/pond/otter/presence") == b"OFF"


def test_home_assistant_is_told_again_when_it_comes_and_that_a_feed_is_gone(broker):
    feeds = {feed: {"state": "live", "labels": ["otter"]} for feed in ("pond", "lake")}
    pond, lake = (f"homeassistant/device/sighting-lab_{feed}/config" for feed in feeds)
    with listening(broker.port) as (heard, client):
        with MqttSink(**settings_of(broker)) as sink:
            sink.watched(feeds)
            until(lambda: pond in heard and lake in heard, "discovery")
            client.publish("homeassistant/status", "online")
            until(lambda: len(heard[pond]) == 2, "discovery again")
            sink.watched({"lake": feeds["lake"]})
            gone = (pond, "sighting-lab/pond/state", "sighting-lab/pond/otter/presence")
            until(lambda: all(last(heard, topic) == b"" for topic in gone), "the deletion")
        # The next program knows only another feed, and finds what this one left behind.
        with MqttSink(**settings_of(broker)) as sink:
            sink.watched({"sea": {"state": "live", "labels": []}})
            until(lambda: last(heard, lake) == b"", "the deletion")


def test_a_broker_that_is_started_again_is_told_everything_again(tmp_path):
    with mosquitto(tmp_path, password=SECRET) as server:
        settings = settings_of(server, user="lab", password=SECRET, timeout_s=0.5)
        with MqttSink(**settings) as sink:
            sink.deliver(make_event("opened"))
            server.stop()
            with pytest.raises(LabError, match=f"127.0.0.1:{server.port}"):
                sink.deliver(make_event("updated", sequence=2))
            server.start()

            def is_delivered():
                try:
                    sink.deliver(make_event("updated", sequence=2))
                except LabError:
                    return False
                return True

            until(is_delivered, "the connection to come back")
            with listening(server.port, password=SECRET) as (heard, _):
                until(lambda: last(heard, "sighting-lab/pond/otter/presence") == b"ON", "presence")
                until(lambda: last(heard, "sighting-lab/available") == b"online", "availability")
                assert "homeassistant/device/sighting-lab_pond/config" in heard


def test_a_wrong_password_is_said_without_it_and_is_tried_again(tmp_path):
    with mosquitto(tmp_path, password="right") as server:
        settings = settings_of(server, user="lab", password=SECRET, timeout_s=2)
        with MqttSink(**settings) as sink, pytest.raises(LabError) as refused:
            sink.deliver(make_event("opened"))
    assert type(refused.value) is LabError
    assert "Not authorized" in str(refused.value)
    assert "check user and password" in str(refused.value)
    assert SECRET not in str(refused.value) + repr(vars(sink)) + repr(sink)


@pytest.mark.long
def test_the_last_will_is_said_when_the_program_is_killed(broker):
    code = (
        "import sys\nfrom lab.sinks.mqtt import MqttSink\n"
        f"sink = MqttSink(host='127.0.0.1', port={broker.port}, frigate_topics=True)\n"
        "sink.watched({'pond': {'state': 'live', 'labels': []}})\n"
        "print('connected', flush=True)\nsys.stdin.read()\n"
    )
    import sys

    with listening(broker.port) as (heard, _):
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"connected\n"
        process.kill()
        process.wait()
        until(lambda: last(heard, "sighting-lab/available") == b"offline", "the last will")
        until(lambda: last(heard, "frigate/available") == b"offline", "the last will for Frigate")


@pytest.mark.long
def test_a_certificate_is_checked(tmp_path):
    files = [tmp_path / "cert.pem", tmp_path / "key.pem"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run(command, check=True, capture_output=True)
    with mosquitto(tmp_path, certificate=files) as server:
        with MqttSink(**settings_of(server, ca_certs=files[0], tls=True)) as sink:
            sink.deliver(make_event("opened"))
        strict = MqttSink(**settings_of(server, tls=True, timeout_s=0.5))
        with strict, pytest.raises(LabError, match="certificate verify failed"):
            strict.deliver(make_event("opened"))


def test_frigates_topics_are_mirrored(broker):
    settings = settings_of(broker, frigate_topics=True)
    with listening(broker.port) as (heard, _), MqttSink(**settings) as sink:
        sink.watched({"pond": {"state": "live", "labels": []}})
        sink.deliver(make_event("opened"))
        sink.deliver(make_event("alerted", sequence=2))
        sink.deliver(make_event("closed", picture_jpeg=b"jpeg", sequence=3))
        until(lambda: len(heard.get("frigate/pond/all", [])) == 3, "the last that is told")
        assert heard["frigate/pond/otter"] == [b"1", b"1", b"0"]
        assert heard["frigate/pond/all"] == [b"1", b"1", b"0"]
        assert "frigate/pond/otter/snapshot" in heard
        assert last(heard, "frigate/pond/status/detect") == b"online"
        events = [json.loads(one) for one in heard["frigate/events"]]
        assert [one["type"] for one in events] == ["new", "update", "end"]
        assert len({one["after"]["id"] for one in events}) == 1
        end = events[-1]["after"]
        assert end["box"] == [80, 60, 160, 180]
        assert end["area"] == 80 * 120
        assert (end["start_time"], end["end_time"]) == (1777888804.0, 1777888806.0)
        reviews = [json.loads(one)["after"] for one in heard["frigate/reviews"]]
        assert [one["severity"] for one in reviews] == ["detection", "alert", "alert"]
        sink.close()
        until(lambda: last(heard, "frigate/available") == b"stopped", "its end")


def test_a_marked_event_says_nothing_of_presence(broker):
    with listening(broker.port) as (heard, _), MqttSink(**settings_of(broker)) as sink:
        sink.deliver(make_event("opened", is_test=True))
        until(lambda: "sighting-lab/events" in heard, "the event")
        assert json.loads(last(heard, "sighting-lab/events"))["is_test"] is True
        assert set(heard) == {"", "sighting-lab/events", "sighting-lab/available"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": "mqtt://lab:hunter2-planted@broker"}, "host must be a name or an IP address"),
        ({"host": ""}, "host must be a text"),
        ({"port": 0}, "port must be from 1"),
        ({"password": SECRET}, "given without user"),
        ({"topic": "a/#"}, r"without \+ and #"),
        ({"timeout_s": 0}, "timeout_s must be"),
        ({"ca_certs": "/nowhere.pem"}, "ca_certs: /nowhere.pem cannot be read"),
    ],
)
def test_bad_settings_are_refused_at_once(settings, words):
    with pytest.raises(SettingError, match=words) as refused:
        MqttSink(**{"host": "broker", **settings})
    assert SECRET not in str(refused.value)


def test_a_broker_that_is_not_there_is_no_bad_setting():
    sink = MqttSink(host="127.0.0.1", port=free_port(), timeout_s=0.2)
    with sink, pytest.raises(LabError, match="cannot be reached: Connection refused"):
        sink.deliver(make_event("opened"))
