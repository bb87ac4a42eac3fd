"""A camera's process: several clients and cameras, who may connect, what goes wrong meanwhile."""

import itertools
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import cv2
import numpy as np
import psutil
import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from lab.app.server.camera.messages import HEADER
from tests.camera.serving import CameraProcess

TOKEN = "planted-Token_91"
SOON_S = 60


def until(condition, what):
    """Wait for a condition, generously."""
    end = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


def status_of(url, **more):
    """What a WebSocket is answered: 101 or the status of the refusal."""
    try:
        with connect(url, open_timeout=SOON_S, **more):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def short_clip(encode):
    """A second, at a rate that is no whole number."""
    x264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "10")
    source = "testsrc2=size=320x240:rate=30000/1001:duration=1.001"
    return encode("gate.mp4", *x264, source=source)


@pytest.fixture(scope="module")
def cameras(samples, encode):
    """Two cameras with a token; `gate` ends after a second without loop."""
    clip = short_clip(encode)
    videos = ["--video", f"gate={clip}", "--video", samples / "cat_then_person.mp4"]
    options = ["--no-loop", "--clients", "2", "--allow-origin", "https://wall.example"]
    with CameraProcess(*videos, *options, LAB_TOKEN=TOKEN) as process:
        yield process
    assert "handshake" not in process.error_text  # of sockets that were refused: that is no error


def bearer(token=TOKEN):
    return {"Authorization": f"Bearer {token}"}


def test_the_token_opens_every_route_and_nothing_else_does(cameras):
    for path in ("/", "/metrics", "/docs", "/openapi.json", "/mjpeg", "/cameras/gate"):
        assert cameras.get(path).status_code == 401
        assert cameras.get(path, headers=bearer("other")).status_code == 401
        if path != "/mjpeg":
            assert cameras.get(path, headers=bearer()).status_code == 200
    assert cameras.get(f"/?token={TOKEN}").status_code == 200
    for path in ("/ws/stream", "/ws/binary", "/cameras/gate/ws/stream"):
        assert status_of(cameras.socket_url(path)) == 401
        assert status_of(cameras.socket_url(f"{path}?token=other")) == 401
        assert status_of(cameras.socket_url(f"{path}?token={TOKEN}")) == 101
        assert status_of(cameras.socket_url(path), additional_headers=bearer()) == 101


def test_without_the_token_health_says_only_whether_it_works(cameras):
    assert cameras.get("/health").json() == {"status": "ok"}
    assert cameras.get("/cameras/gate/health").json() == {"status": "ok"}
    assert set(cameras.get("/health", headers=bearer()).json()["cameras"]) == {
        "gate", "cat_then_person"
    }  # fmt: skip


def test_foreign_pages_are_refused_and_named_ones_are_not(cameras):
    url = cameras.socket_url(f"/ws/stream?token={TOKEN}")
    assert status_of(url, origin="https://evil.example") == 403
    assert status_of(url, origin="https://wall.example") == 101
    assert status_of(url, origin=f"http://127.0.0.1:{cameras.port}") == 101
    assert status_of(url, additional_headers={"Sec-Fetch-Site": "cross-site"}) == 403
    page = cameras.get("/", headers={**bearer(), "Origin": "https://wall.example"})
    assert page.headers["Access-Control-Allow-Origin"] == "https://wall.example"
    assert "Access-Control-Allow-Origin" not in cameras.get("/", headers=bearer()).headers


def test_named_pages_may_ask_with_the_token_in_the_header(cameras):
    asked = {
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }

    def preflight(origin):
        return requests.options(
            f"{cameras.url}/mjpeg", headers={**asked, "Origin": origin}, timeout=SOON_S
        )

    told = preflight("https://wall.example")
    assert (told.status_code, told.content) == (204, b"")
    assert told.headers["Access-Control-Allow-Origin"] == "https://wall.example"
    assert told.headers["Access-Control-Allow-Headers"] == "Authorization"
    refused = preflight("https://evil.example")
    assert refused.status_code == 403
    assert "Access-Control-Allow-Origin" not in refused.headers
    plain = requests.options(
        cameras.url, headers={"Origin": "https://wall.example"}, timeout=SOON_S
    )
    assert plain.status_code == 401


def test_a_picture_of_a_named_page_comes_if_the_page_asks_with_its_name(cameras):
    path, site = f"/mjpeg?token={TOKEN}", {"Sec-Fetch-Site": "cross-site"}
    for origin, status in ((None, 403), ("https://wall.example", 200)):
        headers = {**site, **({} if origin is None else {"Origin": origin})}
        with cameras.get(path, headers=headers, stream=True) as answer:
            assert answer.status_code == status
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_the_page_of_documentation_brings_its_own_scripts(cameras):
    page = cameras.get(f"/docs?token={TOKEN}")
    assert f"/openapi.json?token={TOKEN}" in page.text
    script = cameras.get("/static-offline-docs/swagger-ui-bundle.js")
    assert script.status_code == 200
    assert page.headers["X-Content-Type-Options"] == "nosniff"


def test_an_unknown_camera_is_404(cameras):
    assert cameras.get("/cameras/none", headers=bearer()).status_code == 404
    assert cameras.get("/cameras/none/mjpeg", headers=bearer()).status_code == 404
    assert status_of(cameras.socket_url(f"/cameras/none/ws/stream?token={TOKEN}")) == 404


def test_more_clients_than_a_camera_may_have_are_told_so(cameras):
    url = cameras.socket_url(f"/cameras/cat_then_person/ws/binary?token={TOKEN}")
    with connect(url), connect(url):
        assert status_of(url) == 503
        assert status_of(cameras.socket_url(f"/ws/binary?token={TOKEN}")) == 101
    until(lambda: status_of(url) == 101, "there is room again")


def test_without_loop_the_last_picture_stays_and_the_numbers_go_on(cameras):
    with connect(cameras.socket_url(f"/ws/stream?token={TOKEN}")) as client:
        found = [json.loads(client.recv(timeout=SOON_S))]
        while len(found) < 4 or found[-4]["pts_s"] < 0.96:
            found.append(json.loads(client.recv(timeout=SOON_S)))
    last = found[-4:]
    assert len({one["image"] for one in last}) == 1
    assert [one["frame_id"] for one in found] == sorted({one["frame_id"] for one in found})
    assert {one["fps"] for one in found} == {30}


def test_a_binary_message_and_a_part_hold_the_same_picture_as_a_text(cameras):
    with connect(cameras.socket_url(f"/cameras/cat_then_person/ws/binary?token={TOKEN}")) as client:
        message = client.recv(timeout=SOON_S)
    version, size, loop_index, frame_id, pts_us, timestamp, width, height = HEADER.unpack_from(
        message
    )
    assert (version, size, loop_index, width, height) == (1, 40, 0, 640, 360)
    assert abs(timestamp - time.time()) < 3600
    assert frame_id >= 0 <= pts_us
    image = cv2.imdecode(np.frombuffer(message[size:], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (360, 640, 3)
    with cameras.get("/cameras/cat_then_person/mjpeg", headers=bearer(), stream=True) as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
        data = b""
        for chunk in answer.iter_content(4096):
            data += chunk
            if b"\xff\xd9\r\n--frame" in data:
                break
    head, _, rest = data.partition(b"\r\n\r\n")
    assert head.startswith(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ")
    assert rest.startswith(b"\xff\xd8")


def test_what_a_client_says_is_ignored_and_what_is_too_long_ends_it(cameras):
    with connect(cameras.socket_url(f"/ws/stream?token={TOKEN}")) as client:
        for said in ("hello", b"\x00", "{", "[" * 1000):
            client.send(said)
        assert json.loads(client.recv(timeout=SOON_S))["source"] == "DrishtiStream"
        client.send("x" * 70_000)
        with pytest.raises(ConnectionClosed) as ended:
            while True:
                client.recv(timeout=SOON_S)
    assert ended.value.rcvd is None or ended.value.rcvd.code == 1009


def test_bytes_that_make_no_sense_harm_nobody(cameras):
    chance = random.Random(7)
    with connect(cameras.socket_url(f"/ws/stream?token={TOKEN}")) as other:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", cameras.port), timeout=SOON_S) as bare:
                bare.sendall(chance.randbytes(chance.randint(1, 2000)) + b"\r\n\r\n")
            bare = slow_socket(cameras.port, f"/cameras/cat_then_person/ws/binary?token={TOKEN}")
            with bare:
                assert bare.recv(12) == b"HTTP/1.1 101"
                bare.sendall(chance.randbytes(chance.randint(1, 2000)))
        assert json.loads(other.recv(timeout=SOON_S))["source"] == "DrishtiStream"
    assert not any("Traceback" in line for line in cameras.errors), cameras.error_text


def test_a_client_that_is_killed_is_forgotten(cameras):
    before = cameras_clients(cameras)
    code = (
        "import sys; from websockets.sync.client import connect\n"
        "c = connect(sys.argv[1]); c.recv(); print('on', flush=True)\n"
        "while True: c.recv()"
    )
    url = cameras.socket_url(f"/ws/stream?token={TOKEN}")
    process = subprocess.Popen(
        [sys.executable, "-c", code, url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout.readline() == b"on\n"
        assert cameras_clients(cameras) == before + 1
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    until(lambda: cameras_clients(cameras) == before, "the client is forgotten")
    assert cameras.get("/health", headers=bearer()).status_code == 200


def cameras_clients(cameras):
    return cameras.get("/cameras/gate", headers=bearer()).json()["clients"]


def test_no_line_of_its_log_holds_the_token(cameras):
    assert cameras.get(f"/?token={TOKEN}").status_code == 200
    assert any("watches" in line for line in cameras.errors)
    assert TOKEN not in cameras.error_text


def slow_socket(port, path="/ws/stream"):
    """A client that asks for the stream, and never reads."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    found.connect(("127.0.0.1", port))
    lines = [
        f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]  # fmt: skip
    found.sendall("\r\n".join([*lines, "", ""]).encode())
    return found


@pytest.mark.long
def test_one_that_reads_nothing_is_dropped_and_others_miss_nothing(samples, tmp_path):
    config = tmp_path / "config.yaml"
    clip = samples / "cat_then_person.mp4"
    config.write_text(f"video: {{path: {clip}}}\nlimits: {{send_s: 1}}\n")
    with CameraProcess(config) as camera, connect(camera.socket_url()) as client:
        stuck = [slow_socket(camera.port), slow_socket(camera.port, "/ws/binary")]
        plain = socket.create_connection(("127.0.0.1", camera.port))
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.sendall(b"GET /mjpeg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        ids = []
        while camera.figure("clients_dropped_total") < 3:
            ids += [json.loads(client.recv(timeout=SOON_S))["frame_id"] for _ in range(5)]
        assert camera.figure("clients") == 1
        missed = ids[-1] - ids[0] + 1 - len(ids)
        assert missed < len(ids), "the one that reads goes on"
        for one in (*stuck, plain):
            one.close()


@pytest.mark.long
def test_a_player_that_dies_is_started_again_and_numbers_go_on(samples):
    with CameraProcess("--video", samples / "cat_then_person.mp4") as camera:
        with connect(camera.socket_url()) as client:
            before = json.loads(client.recv(timeout=SOON_S))
            (player,) = psutil.Process(camera.process.pid).children()
            player.kill()
            until(lambda: camera.figure("player_restarts_total") == 1, "it is started again")
            after = json.loads(client.recv(timeout=SOON_S))
            while after["timestamp"] < before["timestamp"] + 3:
                after = json.loads(client.recv(timeout=SOON_S))
        passed = after["timestamp"] - before["timestamp"]
        assert after["frame_id"] - before["frame_id"] == pytest.approx(passed * 10, abs=2)
        media_s = after["pts_s"] + 12 * after["loop_index"] - before["pts_s"]
        assert media_s == pytest.approx(passed, abs=0.01), "the video went on meanwhile"


@pytest.mark.long
def test_a_video_that_has_gone_is_said_and_played_again_when_it_is_back(samples, tmp_path):
    clip = tmp_path / "clip.mp4"
    shutil.copy(samples / "nothing.mp4", clip)
    with CameraProcess("--video", clip) as camera:
        clip.rename(tmp_path / "away.mp4")
        psutil.Process(camera.process.pid).children()[0].kill()
        until(lambda: camera.get("/health").status_code == 503, "it says that it fails")
        until(
            lambda: "no such file" in str(camera.get("/cameras/camera/health").json()["reason"]),
            "it says why",
        )
        assert camera.figure("up") == 0
        (tmp_path / "away.mp4").rename(clip)
        until(lambda: camera.get("/health").status_code == 200, "it plays again")


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="stops a process by a signal")
def test_after_a_stall_there_is_no_burst_and_no_drift(samples):
    with CameraProcess("--video", samples / "cat_then_person.mp4") as camera:
        process = psutil.Process(camera.process.pid)
        (player,) = process.children()
        with connect(camera.socket_url(), max_queue=None) as client:
            before = json.loads(client.recv(timeout=SOON_S))
            for one in (process, player):
                one.suspend()
            time.sleep(3)
            for one in (player, process):
                one.resume()
            found = [json.loads(client.recv(timeout=SOON_S)) for _ in range(20)]
    assert found[-1]["timestamp"] - before["timestamp"] > 3
    late = [one for one in found if before["timestamp"] + 1 < one["timestamp"]]
    shown = [one for one in late if one["timestamp"] < before["timestamp"] + 2.5]
    assert len(shown) <= 2, "what was due meanwhile is left out"
    passed = found[-1]["timestamp"] - before["timestamp"]
    assert found[-1]["frame_id"] - before["frame_id"] == pytest.approx(passed * 10, abs=2)


@pytest.mark.long
def test_numbers_rise_over_loops_without_a_jump_in_time(encode):
    clip = short_clip(encode)
    with CameraProcess("--video", clip) as camera, connect(camera.socket_url()) as client:
        found = []
        while not found or found[-1]["loop_index"] < found[0]["loop_index"] + 3:
            found.append(json.loads(client.recv(timeout=SOON_S)))
    for before, after in itertools.pairwise(found):
        steps = after["frame_id"] - before["frame_id"]
        assert steps >= 1
        expected = steps * 1001 / 30000
        assert after["timestamp"] - before["timestamp"] == pytest.approx(expected, abs=2e-6)


@pytest.mark.long
def test_a_thousand_clients_are_served_and_no_more(samples):
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < 4096:
        pytest.skip(f"this user may open only {most} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, 4096), most))
    options = ["--clients", "1000", "--fps", "1", "--log-level", "ERROR"]
    with (
        CameraProcess("--video", samples / "nothing.mp4", *options) as camera,
        ExitStack() as open_,
    ):
        clients = [open_.enter_context(slow_socket(camera.port)) for _ in range(1000)]
        for one in clients:
            one.settimeout(SOON_S)
            data = b""
            while b'"source":"DrishtiStream"' not in data:
                data += one.recv(4096)
        assert camera.figure("clients") == 1000
        assert status_of(camera.socket_url()) == 503


@pytest.mark.long
def test_one_that_connects_and_asks_nothing_is_parted_with(samples, tmp_path):
    config = tmp_path / "config.yaml"
    clip = samples / "cat_then_person.mp4"
    config.write_text(f"video: {{path: {clip}}}\nlimits: {{silence_s: 1}}\n")
    with CameraProcess(config) as camera:
        with socket.create_connection(("127.0.0.1", camera.port), timeout=SOON_S) as silent:
            assert silent.recv(1) == b""
        with socket.create_connection(("127.0.0.1", camera.port), timeout=SOON_S) as endless:
            endless.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
            assert endless.recv(1) == b""
        with socket.create_connection(("127.0.0.1", camera.port), timeout=SOON_S) as again:
            again.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert again.recv(12) == b"HTTP/1.1 200"
            again.sendall(b"G")  # the next one, which never comes
            while again.recv(4096):
                pass
        # It reads, and answers no ping.
        deaf = slow_socket(camera.port)
        deaf.settimeout(SOON_S)
        with pytest.raises((ConnectionError, StopIteration)):
            while True:
                if not deaf.recv(1 << 20):
                    raise StopIteration
        deaf.close()


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_its_processes_end_with_it(samples, how):
    with CameraProcess("--video", samples / "cat_then_person.mp4") as camera:
        (player,) = psutil.Process(camera.process.pid).children()
        with connect(camera.socket_url()) as client:
            client.recv(timeout=SOON_S)
            camera.process.send_signal(how)
            assert camera.process.wait(SOON_S) == (0 if how != signal.SIGKILL else -9)
        psutil.wait_procs([player], timeout=SOON_S)
        assert not player.is_running()
