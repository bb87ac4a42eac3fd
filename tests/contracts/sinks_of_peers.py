"""The sinks that need a server of somebody else, or a feed's recording, for the contract suite."""

from dataclasses import replace
from pathlib import Path

import redis
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.contracts.sink_case import SinkCase
from tests.peers.brokers import mosquitto, redis_server
from tests.peers.programs import wait_for
from tests.peers.web import serving
from tests.recordings import record
from tests.sinks.events import make_jpeg

SAMPLES = Path(__file__).parent.parent.parent / "sample_videos"
PLANTED = "planted-0123456789-secret"


def _bodies(server):
    return b"\n".join(request.body for request in server.asked).decode("utf-8", "replace")


def _rest(folder, stack):
    server = stack.enter_context(serving())
    settings = {"url": f"{server.url}/{PLANTED}", "token": PLANTED, "timeout_s": 5}
    return SinkCase(settings, lambda: _bodies(server), stop=server.stop, secrets=[PLANTED])


def _notify(folder, stack):
    server = stack.enter_context(serving())
    url = server.url.replace("http", "json") + f"/{PLANTED}"
    return SinkCase(
        {"urls": [url], "timeout_s": 5},
        lambda: _bodies(server),
        stop=server.stop,
        secrets=[PLANTED],
    )


def _mqtt(folder, stack):
    server = stack.enter_context(mosquitto(folder, password=PLANTED))
    heard = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("lab", PLANTED)
    client.on_message = lambda _client, _data, message: heard.append(message.payload)
    client.on_connect = lambda client, *_: client.subscribe("sighting-lab/events", 1)
    client.on_subscribe = lambda *_: heard.append(b"")
    client.connect("127.0.0.1", server.port)
    client.loop_start()
    stack.callback(client.loop_stop)
    stack.callback(client.disconnect)
    wait_for(lambda: heard, "the listener")

    def read():
        wait_for(lambda: len(heard) > 1, "an event")
        return b"\n".join(heard).decode("utf-8", "replace")

    settings = {"host": "127.0.0.1", "port": server.port, "user": "lab", "password": PLANTED}
    settings |= {"frigate_topics": True, "timeout_s": 2}
    return SinkCase(settings, read, stop=server.stop, secrets=[PLANTED])


def _redis(folder, stack):
    server = stack.enter_context(redis_server(folder, password=PLANTED))
    client = stack.enter_context(redis.Redis(port=server.port, password=PLANTED))
    settings = {"url": f"redis://:{PLANTED}@127.0.0.1:{server.port}/0", "timeout_s": 5}

    def read():
        entries = client.xrange("sighting-lab")
        return "\n".join(fields[b"event"].decode() for _, fields in entries)

    return SinkCase(settings, read, stop=server.stop, secrets=[PLANTED])


def _dataset(folder, stack):
    path = folder / "dataset"
    read = (path / "sightings.jsonl").read_text
    box = {"boxes": ((0.25, 0.25, 0.5, 0.75),), "plain_jpeg": make_jpeg()}
    return SinkCase(
        {"dir": str(path)},
        read,
        change=lambda event: replace(event, **box),
    )


def _clips(folder, stack):
    path, recording = folder / "clips", folder / "recording"
    record(recording, SAMPLES / "cat_then_person.mp4")

    def read():
        return "\n".join(file.name for file in path.rglob("*.mp4"))

    return SinkCase(
        {"dir": str(path), "pre_s": 0.5, "post_s": 0.5},
        read,
        change=lambda event: replace(event, recording=str(recording)),
    )


# By name, as in `tests.contracts.sinks`.
SINKS_OF_PEERS = {
    "clips": _clips,
    "dataset": _dataset,
    "mqtt": _mqtt,
    "notify": _notify,
    "redis": _redis,
    "rest": _rest,
}
