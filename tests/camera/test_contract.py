"""A consumer that knows only what is written about the messages: no part of the lab is used here.

Its WebSocket is made of a bare socket, so that not even a library may be kind.
"""

import base64
import hashlib
import itertools
import json
import os
import socket
import struct
import time

import pytest

from tests.camera.serving import CameraProcess


class Consumer:
    """Connects to `/ws/stream`, and reads texts."""

    def __init__(self, port, path="/ws/stream", headers=()):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Extensions: permessage-deflate",
            *headers,
        ]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._bytes = b""
        head = self._until(b"\r\n\r\n").decode()
        self.status = int(head.split()[1])
        self.head = head.lower()
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        if self.status == 101:
            assert f"sec-websocket-accept: {base64.b64encode(accept).decode()}" in head.replace(
                "Sec-WebSocket-Accept", "sec-websocket-accept"
            )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._socket.close()

    def _more(self):
        data = self._socket.recv(1 << 20)
        assert data, "the camera hung up"
        self._bytes += data

    def _until(self, mark):
        while mark not in self._bytes:
            self._more()
        head, _, self._bytes = self._bytes.partition(mark)
        return head

    def _exactly(self, count):
        while len(self._bytes) < count:
            self._more()
        data, self._bytes = self._bytes[:count], self._bytes[count:]
        return data

    def message(self):
        """The next text as JSON, and when it was complete."""
        while True:
            first, second = self._exactly(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack("!H", self._exactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", self._exactly(8))
            assert not second & 0x80, "a server must not mask"
            payload = self._exactly(size)
            if first == 0x81:
                return json.loads(payload), time.time()
            assert first in (0x89, 0x8A), f"neither a text nor a ping: {first:#x}"


def picture_size(jpeg):
    """Width and height of a JPEG, from its frame header."""
    assert jpeg[:2] == b"\xff\xd8"
    assert jpeg[-2:] == b"\xff\xd9"
    at = 2
    while True:
        marker, size = jpeg[at + 1], struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        if marker in (0xC0, 0xC1, 0xC2):
            height, width = struct.unpack(">HH", jpeg[at + 5 : at + 9])
            return width, height
        at += 2 + size


@pytest.fixture(scope="module")
def camera(samples):
    """A clip of 12 s, 640 by 360, 10 frames a second."""
    with CameraProcess("--video", samples / "cat_then_person.mp4") as process:
        yield process


def test_each_message_is_what_the_description_says(camera):
    with Consumer(camera.port) as consumer:
        assert consumer.status == 101
        found = [consumer.message()[0] for _ in range(5)]
    for message in found:
        assert message["source"] == "DrishtiStream"
        assert message["version"] == "v1.0"
        assert type(message["frame_id"]) is int
        assert type(message["timestamp"]) is float
        assert type(message["fps"]) is int
        assert message["fps"] == 10
        assert picture_size(base64.b64decode(message["image"], validate=True)) == (640, 360)
        assert 0 <= message["pts_s"] < 12
        assert message["loop_index"] == 0
    ids = [message["frame_id"] for message in found]
    assert ids == sorted(set(ids))


def test_times_are_those_of_the_video_to_the_millisecond(camera):
    with Consumer(camera.port) as consumer:
        found = [consumer.message()[0] for _ in range(6)]
    for before, after in itertools.pairwise(found):
        steps = after["frame_id"] - before["frame_id"]
        assert after["timestamp"] - before["timestamp"] == pytest.approx(steps * 0.1, abs=2e-6)


def test_a_message_does_not_come_before_its_time(camera):
    with Consumer(camera.port) as consumer:
        for _ in range(5):
            message, at = consumer.message()
            assert at >= message["timestamp"] - 0.005


def test_messages_are_not_compressed(camera):
    with Consumer(camera.port) as consumer:
        assert "permessage-deflate" not in consumer.head


def test_two_clients_get_the_same_pictures(camera):
    with Consumer(camera.port) as one, Consumer(camera.port) as other:
        first = {m["frame_id"]: m for m in (one.message()[0] for _ in range(6))}
        second = {m["frame_id"]: m for m in (other.message()[0] for _ in range(6))}
    both = first.keys() & second.keys()
    assert both
    assert all(first[i] == second[i] for i in both)


def test_the_service_says_what_it_is_and_how_it_is(camera):
    about = camera.get("/").json()
    assert (about["service"], about["version"]) == ("DrishtiStream", "v1.0")
    assert about["endpoints"]["stream"] == "/ws/stream"
    health = camera.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert 'sighting_lab_camera_clients{camera="camera"}' in camera.get("/metrics").text
    assert "/ws/stream" in camera.get("/openapi.json").json()["info"]["description"]
    page = camera.get("/docs")
    assert page.status_code == 200
    assert "cdn." not in page.text
