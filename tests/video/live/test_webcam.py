"""The camera of a browser: from the app's WebSocket into a feed."""

import json
import os
import time

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from lab.app.server.guard import Guard
from lab.app.server.state import AppState
from lab.app.server.webcam_routes import webcam_routes
from lab.config import Config
from lab.errors import SettingError
from lab.video.live.captures.webcam import HEADER, MAX_BYTES, TIME, reach
from lab.video.live.make import live_source
from lab.video.sampling import EVERY_FRAME
from tests.video.live.taking import jpeg, recorded, samples_of, shown

START = 1767225600.0


@pytest.fixture
def state(tmp_path):
    made = AppState(Config(store=tmp_path / "store"))
    yield made
    made.close()


@pytest.fixture
def folder(state):
    return state.store.folder / "feeds" / "cam" / "source"


@pytest.fixture
def client(state):
    with TestClient(Starlette(routes=webcam_routes(state))) as made:
        yield made


def sent(number, time_s=None):
    return TIME.pack(START + number if time_s is None else time_s) + jpeg(number)


def started(folder, **more):
    source = live_source({"type": "webcam"}, state_folder=folder, **more)
    source.begin([EVERY_FRAME])
    waited_until = time.monotonic() + 60
    while not (folder / "webcam.json").exists() and time.monotonic() < waited_until:
        time.sleep(0.01)
    return source


def test_pictures_come_through_with_the_times_of_the_browser(client, folder, tmp_path):
    running = started(folder, recording=tmp_path / "recording")
    with running as source, client.websocket_connect("/ws/webcam/cam") as browser:
        assert browser.receive_json() == {"is_sent": True}
        found = []
        samples = source.samples([EVERY_FRAME])
        for number in range(4):
            browser.send_bytes(sent(number))
            found.append(next(samples))
        source.stop()
        found += list(samples)
    assert [one.frame.pts_us for one in found] == [0, 1_000_000, 2_000_000, 3_000_000]
    again = [shown(one) for one in recorded(tmp_path)]
    assert again == [shown(one) for one in found]
    assert not (folder / "webcam.json").exists()


def test_a_feed_that_does_not_run_is_said_in_words(client):
    with client.websocket_connect("/ws/webcam/cam") as browser:
        told = browser.receive_json()
    assert told == {
        "is_sent": False,
        "reason": "this feed does not wait for a browser's camera; start it",
    }


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", 4415),
        (TIME.pack(START) + b"GIF89a", 4415),
        (TIME.pack(-1) + jpeg(), 4415),
        (TIME.pack(float("nan")) + jpeg(), 4415),
        (TIME.pack(START) + b"\xff\xd8\xff" + bytes(MAX_BYTES), 4413),
    ],
)
def test_what_is_no_picture_ends_the_connection(client, message, code):
    with client.websocket_connect("/ws/webcam/cam") as browser:
        browser.receive_json()
        browser.send_bytes(message)
        with pytest.raises(WebSocketDisconnect) as closed:
            browser.receive_json()
    assert closed.value.code == code


@pytest.mark.parametrize("feed_id", ["..", ".hidden", "a" * 65, "a%2Fb", "%2e%2e"])
def test_only_the_id_of_a_feed_leads_to_a_folder(client, feed_id):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"/ws/webcam/{feed_id}"):
        pass


def test_the_guard_lets_no_one_else_in(state):
    app = Starlette(routes=webcam_routes(state))
    guarded = TestClient(Guard(app, token="t" * 32, allowed_hosts=("testserver",)))
    for headers in ({}, {"authorization": "Bearer " + "t" * 32, "origin": "http://evil.example"}):
        with pytest.raises(WebSocketDisconnect):
            guarded.websocket_connect("/ws/webcam/cam", headers=headers).__enter__()


def test_the_capture_takes_nothing_without_its_token(folder):
    with started(folder) as source:
        kept = json.loads((folder / "webcam.json").read_text())
        if os.name == "posix":
            assert (folder / "webcam.json").stat().st_mode & 0o077 == 0
        (folder / "webcam.json").write_text(json.dumps({**kept, "token": "0" * 32}))
        with reach(folder) as stranger:
            stranger.settimeout(30)
            assert stranger.recv(1) == b""
        (folder / "webcam.json").write_text(json.dumps(kept))
        with reach(folder) as browser:
            browser.sendall(HEADER.pack(START, len(jpeg())) + jpeg())
            assert next(iter(source.samples([EVERY_FRAME]))).frame.image_bgr is not None


@pytest.mark.long
def test_the_newest_browser_counts_and_one_that_goes_is_missed(folder):
    with started(folder, silent_s=2) as source:
        with reach(folder) as first, reach(folder) as second:
            second.sendall(HEADER.pack(START, len(jpeg())) + jpeg())
            samples = source.samples([EVERY_FRAME])
            assert next(samples).frame.pts_us == 0
            first.settimeout(30)
            assert first.recv(1) == b""
        waited_until = time.monotonic() + 60
        while source.condition.state != "reconnecting" and time.monotonic() < waited_until:
            time.sleep(0.05)
        assert "no browser sends the picture" in source.condition.reason
        assert source.reconnects == 0
        with reach(folder) as third:
            third.sendall(HEADER.pack(START + 9, len(jpeg(2))) + jpeg(2))
            assert next(samples).frame.pts_us > 0
        source.stop()
        assert samples_of(source) == []


def test_without_a_feed_there_is_no_webcam():
    with pytest.raises(SettingError, match="works in a feed only"):
        live_source({"type": "webcam"})
