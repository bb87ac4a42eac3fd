"""What is sent when, with a clock that only the test moves: stalls, slow clients, no bursts."""

import struct

import pytest

from lab.app.server.camera import camera as module
from lab.app.server.camera.ahead import Ahead
from lab.app.server.camera.camera import LATENESS_S, Camera
from lab.app.server.camera.clients import PartsClient, SocketClient
from lab.app.server.camera.messages import HEADER, Picture
from lab.video.camera.settings import CameraSettings, Limits
from tests.stopped_clock import StoppedClock


def picture(frame_id=0, due=0.0, jpeg=b"\xff\xd8 picture \xff\xd9"):
    return Picture(
        source="DrishtiStream", version="v1.0", frame_id=frame_id, due=due, timestamp=1e9 + due,
        rate=29.97, pts_us=1_500_000, loop_index=2, size_px=(64, 48), jpeg=jpeg,
    )  # fmt: skip


class Transport:
    """A connection whose other side takes what the test says."""

    def __init__(self):
        self.waiting, self.written, self.is_aborted = 0, [], False

    def get_write_buffer_size(self):
        return self.waiting

    def is_closing(self):
        return self.is_aborted

    def write(self, data):
        self.written.append(data)

    def abort(self):
        self.is_aborted = True

    def get_extra_info(self, name):
        return ("127.0.0.1", 1)


@pytest.fixture
def clock(monkeypatch):
    clock = StoppedClock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def camera(tmp_path):
    settings = CameraSettings(name="gate", video="clip.mp4")
    return Camera(settings, tmp_path / "clip.mp4", Limits(send_s=2.0))


def test_nothing_is_taken_before_its_time():
    ahead = Ahead(8)
    ahead.put(picture(0, due=1.0))
    assert ahead.next_due == 1.0
    assert ahead.take(0.999) == (None, 0)
    assert ahead.take(1.0)[0].frame_id == 0
    assert ahead.next_due is None


def test_after_a_stall_the_newest_is_taken_and_the_others_are_not_sent_in_a_burst():
    ahead = Ahead(8)
    for i in range(6):
        ahead.put(picture(i, due=i / 30))
    found, overtaken = ahead.take(4.2 / 30)
    assert (found.frame_id, overtaken) == (4, 4)
    assert ahead.take(4.9 / 30) == (None, 0)
    assert ahead.take(5 / 30)[0].frame_id == 5


def test_it_holds_no_more_than_it_may():
    ahead = Ahead(2)
    for i in range(2):
        assert not ahead.is_full
        ahead.put(picture(i))
    assert ahead.is_full


def test_a_slow_client_gets_the_newest_and_delays_nobody(camera, clock):
    slow, quick = Transport(), Transport()
    for transport in (slow, quick):
        camera.join(SocketClient(transport, "text"))
    slow.waiting = 1
    for i in range(3):
        camera.publish(picture(i))
    slow.waiting = 0
    camera.publish(picture(3))
    assert quick.written == [picture(i).text for i in range(4)]
    assert slow.written == [picture(3).text]
    assert (camera.sent, camera.dropped) == (5, 3)


def test_a_client_that_takes_nothing_for_too_long_is_dropped(camera, clock):
    stuck, other = Transport(), Transport()
    for transport in (stuck, other):
        camera.join(SocketClient(transport, "binary"))
    stuck.waiting = 1
    for clock.now in (0.0, 1.9):
        camera.publish(picture(due=clock.now))
    assert not stuck.is_aborted
    stuck.waiting = 0  # it took something: its time begins anew
    for clock.now in (2.0, 2.1):
        camera.publish(picture(due=clock.now))
        stuck.waiting = 1
    for clock.now in (4.0, 4.2):
        camera.publish(picture(due=clock.now))
    assert stuck.is_aborted
    assert not other.is_aborted
    assert (camera.client_count, camera.kicked) == (1, 1)


def test_a_response_without_end_takes_the_newest_part_only(camera, clock):
    client = PartsClient(Transport())
    assert client.offer(picture(0))
    assert not client.offer(picture(1))
    camera.join(client)
    for clock.now in (0.0, 2.5):
        camera.publish(picture(2))
    assert client.transport.is_aborted


def test_how_late_pictures_leave_is_counted(camera, clock):
    camera.join(SocketClient(Transport(), "text"))
    for clock.now in (0.0, 0.004, 3.0):
        camera.publish(picture(due=0.0))
    found = dict(zip(LATENESS_S, camera.lateness))
    assert (found[0.001], found[0.005], camera.lateness[-1]) == (1, 1, 1)


def test_a_message_is_made_once_for_all_clients():
    one = picture()
    assert one.text is one.text
    assert one.binary is one.binary
    assert one.part is one.part


@pytest.mark.parametrize("size", [100, 60_000, 200_000])
def test_a_binary_message_is_a_header_and_the_jpeg(size):
    jpeg = b"\xff\xd8" + b"x" * size
    frame = picture(7, jpeg=jpeg).binary
    assert frame[0] == 0x82
    start = {100: 2, 60_000: 4, 200_000: 10}[size]
    if size == 100:
        start = 4  # with its header it is longer than 125
    payload = frame[start:]
    header = HEADER.unpack_from(payload)
    assert header == (1, HEADER.size, 2, 7, 1_500_000, 1e9, 64, 48)
    assert payload[header[1] :] == jpeg
    assert struct.calcsize("<HHIQqdII") == HEADER.size == 40
