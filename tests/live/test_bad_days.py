"""What goes wrong with streams: how each is told, how it is got over, and what is kept of it."""

import time

import cv2
import numpy as np
import pytest

from lab.errors import SettingError
from lab.video.live.captures.stream import StreamCapture
from tests.live.watching import Watched
from tests.peers.http_server import HttpServer, after, moving, sound
from tests.peers.programs import Nginx, Program, free_port, needs_program, rtsp_server, wait_for

PASSWORD = "do-not-show-this"
BALL = "made ball videotestsrc is-live=true pattern=ball ! video/x-raw,framerate={}/1"


def played(stream, then="hold"):
    def answer(to):
        to.begin("video/mp2t")
        to.play(stream)
        if then == "hold":
            to.hold()

    return answer


def page(to):
    to.begin("text/html")
    to.send(b"<html><body>" + b"<p>Log in</p>" * 2000 + b"</body></html>")


def refused(to):
    to.begin("text/plain", 401, WWW_Authenticate='Basic realm="camera"')


def watch(tmp_path, url, **settings):
    limits = {name: settings.pop(name) for name in ("silent_s", "frozen_s") if name in settings}
    every_s = settings.pop("every_s", 0.2)
    return Watched(tmp_path, "stream", {"url": url, **settings}, every_s=every_s, **limits)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "file:///etc/passwd"}, "url must begin with rtsp://"),
        ({"url": "/etc/passwd"}, "url must begin with rtsp://"),
        ({"url": f"ftp://me:{PASSWORD}@host/x"}, "got 'ftp://host/x'"),
        ({"url": "rtsp://"}, "url must name a host"),
        ({"url": "rtsp://host:port/x"}, "url must be an address"),
        ({"url": "rtsp://h/x", "rtsp_transport": "http"}, "rtsp_transport must be tcp or udp"),
        ({"url": "rtsp://h/x", "max_height": 0}, "max_height must be a whole number"),
        ({"url": "rtsp://h/x", "connect_s": 0}, "connect_s must be more than 0"),
    ],
)
def test_what_is_no_address_of_a_stream_is_refused(settings, words):
    with pytest.raises(SettingError, match=words) as caught:
        StreamCapture(**settings)
    assert PASSWORD not in str(caught.value)


@pytest.mark.long
def test_what_cannot_be_had_is_tried_again_and_told_without_the_password(tmp_path, capfd):
    answers = {"/page": page, "/login": refused, "/sound": lambda to: to.send(b"")}

    def sounding(to):
        to.begin("video/mp2t")
        to.send(sound())

    answers["/sound"] = sounding
    with HttpServer(answers) as server:
        login = f"me:{PASSWORD}@127.0.0.1"
        at = f"{login}:{server.port}"
        for number, (url, words) in enumerate(
            [
                (f"rtsp://me:{PASSWORD}@no-such-host.invalid/x", "there is no such host"),
                (f"rtsp://{login}:{free_port()}/x", "nothing answers there"),
                (f"http://{at}/nothing?token={PASSWORD}", "there is no such stream"),
                (f"http://{at}/login", "user or password are wrong"),
                (f"http://{at}/page", "what it answers is no video"),
                (f"http://{at}/sound", "has no video stream, only audio"),
            ]
        ):
            folder = tmp_path / str(number)
            folder.mkdir()
            with watch(folder, url) as watched:
                condition = watched.until("reconnecting", words)
                assert condition.retry_at is not None
                assert condition.reason.startswith(url.split("://")[0] + "://")
            assert watched.states[0] == "starting"
            assert watched.states[-1] == "stopped"
            assert "live" not in watched.states
            assert len(watched.log.pts_us) == 0
            assert PASSWORD.encode() not in watched.everything_written()
    assert PASSWORD not in "".join(capfd.readouterr())


@pytest.mark.long
def test_silence_with_an_open_connection_is_noticed(tmp_path):
    with (
        HttpServer({"/x": played(moving(2))}) as server,
        watch(tmp_path, server.url + "/x", silent_s=3.0) as watched,
    ):
        watched.until("live")
        watched.until("reconnecting", "no frame for 3 s")
        wait_for(lambda: watched.states.count("live") == 2, "the next connection")
    watched.assert_recorded(least=8)
    gap_s = np.diff(watched.log.pts_us).max() / 1e6
    assert gap_s > 2.5


@pytest.mark.long
def test_a_frozen_picture_is_noticed_though_its_encoder_goes_on(tmp_path):
    stream = after(moving(1), moving(30, begin_s=11, is_still=True))
    with (
        HttpServer({"/x": played(stream)}) as server,
        watch(tmp_path, server.url + "/x", frozen_s=3.0) as watched,
    ):
        condition = watched.until("frozen", "the picture has been the same for")
        assert condition.retry_at is not None
        wait_for(lambda: watched.states.count("live") == 2, "the next connection")
    watched.assert_recorded(least=5)


@pytest.mark.long
def test_pictures_of_another_size_are_taken_as_they_come(tmp_path):
    stream = after(moving(1.5), moving(1.5, size=(96, 64), begin_s=11.5))
    with (
        HttpServer({"/x": played(stream)}) as server,
        watch(tmp_path, server.url + "/x", every_s=0.1) as watched,
    ):
        watched.until_frames(50)
        wait_for(lambda: watched.source.size_px == (96, 64), "the other size")
    assert watched.states == ["starting", "live", "stopped"]
    # Boxes are in pixels of the first picture, whatever size follows.
    assert {tuple(box[2:]) for box in watched.log.box_xyxy_px.tolist()} == {(64, 48)}
    watched.assert_recorded(least=20)


@pytest.mark.long
def test_another_codec_is_got_over_by_connecting_again(tmp_path):
    stream = after(moving(1.5), moving(30, codec="mpeg2video", begin_s=11.5))
    with (
        HttpServer({"/x": played(stream)}) as server,
        watch(tmp_path, server.url + "/x", silent_s=10.0) as watched,
    ):
        watched.until("reconnecting", "cannot be decoded any more")
        server.answers["/x"] = played(moving(30, codec="mpeg2video"))
        wait_for(lambda: watched.states.count("live") == 2, "the next connection")
        watched.until_frames(50)
    watched.assert_recorded(least=9)


@pytest.mark.long
@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_time_that_jumps_by_an_hour_does_not_move_media_time(tmp_path, jump_s):
    stream = after(moving(1.5, begin_s=4000), moving(1.5, begin_s=4001.5 + jump_s))
    with (
        HttpServer({"/x": played(stream)}) as server,
        watch(tmp_path, server.url + "/x", every_s=0.1) as watched,
    ):
        watched.until_frames(55)
    assert watched.states == ["starting", "live", "stopped"]
    log = watched.log
    assert log.pts_us[-1] < 20_000_000
    assert len(watched.connection.epochs) == 2
    watched.assert_recorded(least=25)


@pytest.mark.long
@pytest.mark.parametrize("rate", [1, 120])
def test_few_and_many_frames_a_second(tmp_path, rate):
    with (
        HttpServer({"/x": played(moving(20, rate=rate))}) as server,
        watch(tmp_path, server.url + "/x", every_s=0.5) as watched,
    ):
        watched.until_frames(6 if rate == 1 else 400)
    assert watched.states == ["starting", "live", "stopped"]
    steps_s = np.diff(watched.log.pts_us) / 1e6
    assert steps_s.max() <= 1.01 if rate == 1 else steps_s.max() < 0.52
    watched.assert_recorded(least=5)


@pytest.mark.long
def test_motion_jpeg_has_the_times_of_its_arrival(tmp_path):
    def pictures(to):
        to.begin("multipart/x-mixed-replace; boundary=next")
        for number in range(400):
            image = np.full((48, 64, 3), number % 200, np.uint8)
            data = cv2.imencode(".jpg", image)[1].tobytes()
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            to.send(head.encode() + data + b"\r\n")
            to.wait(0.05)

    with HttpServer({"/x": pictures}) as server, watch(tmp_path, server.url + "/x") as watched:
        begun = time.monotonic()
        watched.until_frames(40)
        passed_s = time.monotonic() - begun
    assert watched.states == ["starting", "live", "stopped"]
    assert watched.log.pts_us[-1] / 1e6 < passed_s + 1
    watched.assert_recorded(least=5)


@pytest.mark.long
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_that_is_unplugged_and_comes_back(tmp_path, transport):
    with rtsp_server() as server:
        server.do(BALL.format(10))
        settings = {"rtsp_transport": transport, "max_height": 120}
        with watch(tmp_path, f"{server.url}/ball", silent_s=6.0, **settings) as watched:
            watched.until("live")
            watched.until_frames(10)
            server.kill()
            watched.until("reconnecting")
            watched.until("reconnecting", "nothing answers there")
            with rtsp_server(server.port) as again:
                again.do(BALL.format(10))
                wait_for(lambda: watched.states.count("live") == 2, "the camera")
                frames = watched.connection.frames
                watched.until_frames(frames + 10)
                watched.stop()
    assert watched.source.size_px == (160, 120)
    watched.assert_recorded(least=5)


@pytest.mark.long
def test_a_camera_over_rtsp(tmp_path):
    """Who may not is told so; who may gets the camera's clock, through silence and another size."""
    with rtsp_server(0, "me", PASSWORD) as server:
        server.do(BALL.format(10))
        server.do("sound beep")
        wrong = server.url.replace("//", "//me:wrong-password@")
        (tmp_path / "wrong").mkdir()
        with watch(tmp_path / "wrong", f"{wrong}/ball") as watched:
            watched.until("reconnecting", "user or password are wrong")
        assert b"wrong-password" not in watched.everything_written()
        right = server.url.replace("//", f"//me:{PASSWORD}@")
        with watch(tmp_path, f"{right}/ball", silent_s=5.0, every_s=0.1) as watched:
            watched.until("live")
            server.do("size 160 120")
            wait_for(lambda: watched.source.size_px == (160, 120), "the other size")
            server.do("stall")
            watched.until("reconnecting", "no frame for 5 s")
            server.do("flow")
            wait_for(lambda: watched.states.count("live") == 2, "the next connection")
        watched.assert_recorded(least=5)
        assert PASSWORD.encode() not in watched.everything_written()


@pytest.mark.long
def test_the_clock_of_an_rtsp_camera_is_kept(tmp_path):
    clocks = []
    with rtsp_server() as server:
        server.do(BALL.format(10))
        with watch(tmp_path, f"{server.url}/ball") as watched:
            wait_for(lambda: b"camera_clock" in watched.everything_written(), "the camera's clock")
            for line in (watched.recording / "recording.jsonl").read_text().splitlines():
                if "camera_clock" in line:
                    clocks.append(line)
    assert clocks


@pytest.mark.long
def test_hls_that_comes_in_bursts_is_taken_at_its_pace(tmp_path, encode):
    clip = encode(
        "hls.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "20", "-bf", "0",
        source="testsrc2=size=64x48:rate=20:duration=60",
    )  # fmt: skip
    ffmpeg = needs_program("ffmpeg", "ffmpeg")
    with Nginx(tmp_path / "nginx") as nginx:
        publish = ["-re", "-i", str(clip), "-c", "copy", "-f", "flv", f"{nginx.rtmp}/live/pond"]
        playlist = tmp_path / "nginx" / "hls" / "pond.m3u8"
        (tmp_path / "feed").mkdir()
        with Program(ffmpeg, *publish):
            wait_for(lambda: playlist.exists() and playlist.read_text().count(".ts") > 2, "HLS")
            url = f"{nginx.http}/hls/pond.m3u8"
            with watch(tmp_path / "feed", url, silent_s=8.0) as watched:
                watched.until_frames(120)
                assert watched.states == ["starting", "live"]
    log = watched.log
    assert np.diff(log.pts_us).max() <= 250_000
    assert log.gated.mean() < 0.5
    watched.assert_recorded(least=25)
