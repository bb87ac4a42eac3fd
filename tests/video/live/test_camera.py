"""A virtual camera's WebSocket: its numbers, its times, and what it does wrong."""

import base64
import json
import threading

import pytest
from websockets.sync.server import serve

from lab.errors import SettingError
from lab.video.live.backoff import Backoff
from lab.video.live.make import live_source
from lab.video.sampling import EVERY_FRAME
from tests.video.live.taking import jpeg, recorded, samples_of, shown

START = 1767225600.0


def message(frame_id, time_s=None, **more):
    image = base64.b64encode(jpeg(frame_id)).decode()
    time_s = START + frame_id / 25 if time_s is None else time_s
    return json.dumps(
        {"source": "DrishtiStream", "version": "v1.0", "frame_id": frame_id, "fps": 25,
         "timestamp": time_s, "image": image, **more}
    )  # fmt: skip


class Camera:
    """Sends what it was given to each client, then keeps still, or hangs up."""

    def __init__(self, messages, *, hangs_up=False, pace_s=0.04):
        self.messages, self._hangs_up, self._pace_s = messages, hangs_up, pace_s
        self.paths, self._over = [], threading.Event()

        self._server = serve(self._send, "127.0.0.1", 0)
        port = self._server.socket.getsockname()[1]
        self.url = f"http://user:secret@127.0.0.1:{port}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._over.set()
        self._server.shutdown()
        self._thread.join()

    def _send(self, connection):
        self.paths.append(connection.request.path)
        for one in self.messages:
            connection.send(one)
            if self._over.wait(self._pace_s):
                return
        if not self._hangs_up:
            self._over.wait()


def camera(url, **more):
    return live_source({"type": "camera", "url": url}, **more)


def test_frames_come_with_the_times_of_the_camera(tmp_path):
    with Camera([message(i) for i in (100, 101, 104, 105)]) as peer:
        with camera(peer.url, recording=tmp_path / "recording") as source:
            found = samples_of(source, 4)
            assert source.missed in (0, 2)  # it is told once a second, and at the end
        assert source.missed == 2
    assert peer.paths == ["/ws/stream"]
    assert [one.frame.pts_us for one in found] == [0, 40_000, 160_000, 200_000]
    again = [shown(one) for one in recorded(tmp_path)]
    assert again == [shown(one) for one in found]


def test_a_damaged_picture_is_a_failed_sample():
    broken = base64.b64encode(jpeg()[:300]).decode()
    peer = Camera([message(0), message(1, image=broken), message(2)])
    with peer, camera(peer.url) as source:
        found = samples_of(source, 3)
    assert [bool(one.frame.error) for one in found] == [False, True, False]


@pytest.mark.parametrize(
    "odd",
    ["no json", "[]", '{"frame_id": 1}', message(1, time_s=float("nan")), message(1, image="%%")],
)
def test_what_is_no_picture_breaks_off_and_is_said_without_the_password(odd):
    peer = Camera([message(0), odd])
    with peer, camera(peer.url, backoff=Backoff(delays_s=[0.05])) as source:
        source.begin([EVERY_FRAME])
        reasons = reasons_of(source)
    assert "sends what is no picture of a virtual camera" in reasons
    assert "secret" not in reasons


@pytest.mark.long
def test_it_is_connected_again_and_its_times_go_on():
    peer = Camera([message(i) for i in range(3)], hangs_up=True)
    with peer, camera(peer.url, backoff=Backoff(delays_s=[0.05])) as source:
        found = samples_of(source, 7)
        assert source.reconnects >= 2
    times = [one.frame.pts_us for one in found]
    assert times == sorted(set(times))


def test_a_camera_that_is_not_there_is_said_without_the_password():
    with Camera([]) as peer:
        url = peer.url
    with camera(url, backoff=Backoff(delays_s=[0.05])) as source:
        source.begin([EVERY_FRAME])
        reasons = reasons_of(source)
    assert "nothing answers there" in reasons
    assert "secret" not in reasons


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://user:secret@x/", "url must be ws://HOST:PORT/ws/stream"),
        ("ws://", "url must be ws://"),
        ("ws://x:a/", "url must be an address"),
        (7, "url must be"),
    ],
)
def test_wrong_addresses_are_refused(url, words):
    with pytest.raises(SettingError, match=words) as error:
        camera(url)
    assert "secret" not in str(error.value)


def reasons_of(source):
    """What it says once it has failed."""
    reader = threading.Thread(target=lambda: samples_of(source))
    reader.start()
    waited = threading.Event()
    for _ in range(3000):
        if source.condition.state == "reconnecting":
            break
        waited.wait(0.01)
    reason = str(source.condition.reason)
    source.stop()
    reader.join()
    return reason
