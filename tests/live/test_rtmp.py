"""Publishers over RTMP: who knows the app and the stream key comes in, and nobody else."""

import socket
import struct
import subprocess
import threading
import time

import pytest

from lab.errors import SettingError, SourceError
from lab.video.live import amf0
from lab.video.live.captures.rtmp import RtmpCapture
from lab.video.live.rtmp_connection import (
    COMMAND,
    DATA,
    VIDEO,
    RefusedError,
    RtmpConnection,
)  # fmt: skip
from tests.live.watching import Watched
from tests.peers.programs import free_port, is_open, needs_program, wait_for

KEY = "key-that-nobody-sees"


class Publisher:
    """The other side of RTMP, as far as it must be written by hand."""

    def __init__(self, link):
        self.link = link
        self.link.settimeout(20)

    def shake_hands(self, version=3):
        self.link.sendall(bytes([version]) + bytes(1536))
        answer = b""
        while len(answer) < 1 + 2 * 1536:
            part = self.link.recv(4096)
            if not part:
                return
            answer += part
        self.link.sendall(answer[1:1537])

    def send(self, kind, body, chunk_bytes=128, time_ms=0, length=None, number=3):
        length = len(body) if length is None else length
        head = bytes([number]) + min(time_ms, 0xFFFFFF).to_bytes(3, "big")
        head += length.to_bytes(3, "big") + bytes([kind]) + bytes(4)
        extended = struct.pack(">I", time_ms) if time_ms >= 0xFFFFFF else b""
        parts = [body[i : i + chunk_bytes] for i in range(0, len(body), chunk_bytes)] or [b""]
        self.link.sendall(head + extended + (bytes([0xC0 | number]) + extended).join(parts))

    def command(self, *values):
        self.send(COMMAND, amf0.encode(*values))

    def publish(self, app="live", key=KEY):
        self.shake_hands()
        self.command("connect", 1, {"app": app, "tcUrl": "rtmp://x/" + app})
        self.command("releaseStream", 2, None, key)
        self.command("createStream", 3, None)
        self.command("publish", 4, None, key, "live")

    def rest(self):
        """All that comes until the other side closes."""
        found = b""
        while part := self.link.recv(4096):
            found += part
        return found


@pytest.fixture
def two():
    """A publisher, and what the connection says to it."""
    mine, theirs = socket.socketpair()
    connection = RtmpConnection(theirs, time.monotonic() + 20)
    yield Publisher(mine), connection
    mine.close()
    connection.close()


def negotiated(connection, app="live", key=KEY):
    """Let it talk in a thread; a list with how that ended."""
    ended = []

    def talk():
        try:
            connection.negotiate(app, key)
            connection.accept()
            ended.append(None)
        except (RefusedError, EOFError, OSError) as error:
            ended.append(error)
            connection.part()

    thread = threading.Thread(target=talk)
    thread.start()
    return ended, thread


def test_who_knows_app_and_key_may_send(two):
    publisher, connection = two
    ended, thread = negotiated(connection)
    publisher.publish()
    thread.join(20)
    assert ended == [None]
    publisher.send(1, struct.pack(">I", 4096))
    publisher.send(VIDEO, b"x" * 5000, 4096, time_ms=40)
    assert connection.media() == (VIDEO, 40, b"x" * 5000)
    publisher.send(DATA, b"y" * 5000, 4096, time_ms=0x1234567)
    assert connection.media() == (DATA, 0x1234567, b"y" * 5000)
    publisher.command("deleteStream", 5, None, 1)
    with pytest.raises(EOFError):
        connection.media()


@pytest.mark.parametrize(
    ("app", "key", "code", "why"),
    [
        ("live", "wrong", b"NetStream.Publish.BadName", "its stream key is wrong"),
        ("live", KEY + "x", b"NetStream.Publish.BadName", "its stream key is wrong"),
        ("live", "", b"NetStream.Publish.BadName", "its stream key is wrong"),
        ("other", KEY, b"NetConnection.Connect.Rejected", "it asked for another app"),
        ("", KEY, b"NetConnection.Connect.Rejected", "it asked for another app"),
    ],
)
def test_who_does_not_is_told_and_sent_away(two, app, key, code, why):
    publisher, connection = two
    ended, thread = negotiated(connection)
    publisher.shake_hands()
    publisher.command("connect", 1, {"app": app})
    if app == "live":
        publisher.command("publish", 4, None, key, "live")
    answer = publisher.rest()
    publisher.link.close()
    thread.join(20)
    assert [str(one) for one in ended] == [why]
    assert code in answer
    assert b"Publish.Start" not in answer
    assert KEY.encode() not in answer
    assert KEY not in str(ended)


def use_many_streams(publisher):
    publisher.shake_hands()
    for number in range(2, 64):
        publisher.send(COMMAND, bytes(128), length=900, number=number)
    for number in range(9):
        publisher.link.sendall(bytes([0, number]) + bytes(11))


@pytest.mark.parametrize(
    ("misbehave", "why"),
    [
        (lambda p: p.shake_hands(version=71), "does not speak RTMP"),
        (lambda p: p.shake_hands() or p.command("publish", 1, None, KEY), "to publish"),
        (lambda p: p.shake_hands() or p.command("play", 1, None, KEY), "'play', not to publish"),
        (lambda p: p.shake_hands() or p.send(COMMAND, b"\x02\xff\xff"), "command is damaged"),
        (lambda p: p.shake_hands() or p.send(COMMAND, b"\x03\0\1a" * 20 + b"\5"), "damaged"),
        (lambda p: p.shake_hands() or p.send(COMMAND, b"", length=1 << 20), "too long"),
        (lambda p: p.shake_hands() or p.send(1, bytes(4)), "its chunks have 0 bytes"),
        (lambda p: p.shake_hands() or p.send(1, b"\0"), "control message is too short"),
        (use_many_streams, "more than 64 chunk streams"),
    ],
)  # fmt: skip
def test_what_is_no_publisher_is_sent_away(two, misbehave, why):
    publisher, connection = two
    ended, thread = negotiated(connection)
    misbehave(publisher)
    publisher.link.shutdown(socket.SHUT_WR)
    publisher.rest()
    thread.join(20)
    (error,) = ended
    assert isinstance(error, RefusedError), error
    with pytest.raises(RefusedError, match=why):
        raise error


def test_one_that_is_silent_is_not_waited_for_for_ever():
    mine, theirs = socket.socketpair()
    connection = RtmpConnection(theirs, time.monotonic() + 0.05)
    with mine, pytest.raises(TimeoutError):
        connection.negotiate("live", KEY)
    connection.close()


def test_amf0_gives_back_what_was_written_and_refuses_the_rest():
    values = ["connect", 1.0, {"app": "live", "x": {"y": True}}, None, False]
    assert amf0.decode(amf0.encode(*values)) == values
    whole = amf0.encode(*values)
    for end in range(len(whole)):
        try:
            assert amf0.decode(whole[:end]) == values[: len(amf0.decode(whole[:end]))]
        except ValueError:
            pass
    for damaged in (b"\x0a\xff\xff\xff\xff", b"\x07", b"\x02\x00\x05ab", b"\x0a\0\0\0\1" * 20):
        with pytest.raises(ValueError, match="AMF0"):
            amf0.decode(damaged)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"key": ""}, "key must be the stream key"),
        ({"app": "/"}, "app must be a name"),
        ({"port": 0}, "port must be a number from 1 to 65535, got 0"),
        ({"host": ""}, "host must be an address"),
    ],
)
def test_a_setting_that_is_no_such_thing_is_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        RtmpCapture(**{"key": KEY, **settings})


def test_a_port_that_is_taken_is_said():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        capture = RtmpCapture(KEY, port=other.getsockname()[1])
        with capture, pytest.raises(SourceError, match=r"cannot be listened on.*in use"):
            next(capture.read())


@pytest.fixture(scope="module")
def clip(encode):
    return encode(
        "published.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "20", "-bf", "2",
        source="testsrc2=size=64x48:rate=20:duration=20",
    )  # fmt: skip


def publish(clip, port, app="live", key=KEY, seconds=60):
    command = [needs_program("ffmpeg", "ffmpeg"), "-v", "error", "-re", "-i", str(clip)]
    target = f"rtmp://127.0.0.1:{port}/{app}/{key}"
    return subprocess.Popen(
        [*command, "-t", str(seconds), "-c", "copy", "-f", "flv", target], stderr=subprocess.PIPE
    )


def ended(process):
    text = process.communicate(timeout=60)[1].decode()
    return process.returncode, text


@pytest.mark.long
def test_a_publisher_is_watched_leaves_and_comes_back(tmp_path, clip):
    port = free_port()
    with Watched(tmp_path, "rtmp", {"key": KEY, "port": port}, delays_s=(60,)) as watched:
        watched.until("starting", f"waiting for a publisher at rtmp://127.0.0.1:{port}/live")
        for app, key, why in (("live", "wrong", "stream key"), ("other", KEY, "another app")):
            code, _ = ended(publish(clip, port, app, key))
            assert code != 0
            watched.until("starting", why)
        assert watched.connection.frames == 0
        first = publish(clip, port)
        watched.until("live")
        watched.until_frames(20)
        code, text = ended(publish(clip, port))
        assert code != 0, text
        first.kill()
        ended(first)
        watched.until("reconnecting", "the publisher has gone")
        wait_for(lambda: is_open(port), "the next reader")
        frames = watched.connection.frames
        second = publish(clip, port, seconds=2)
        watched.until_frames(frames + 20)
        ended(second)
    watched.assert_recorded(least=10)
    assert KEY.encode() not in watched.everything_written()
