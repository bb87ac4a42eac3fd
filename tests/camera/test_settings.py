"""The settings of cameras: a file, variables over it, options over both; what is wrong there."""

from fractions import Fraction

import pytest

from lab.errors import SettingError
from lab.video.camera.read_settings import read_settings

FULL = """
stream: {name: Gate, version: v2}
video: {path: clips/gate.mp4, fps: 12.5, loop: false, jpeg_quality: 70}
server: {host: "::1", port: 9000}
logging: {level: debug, format: "%(message)s"}
"""


@pytest.fixture
def read(tmp_path):
    def settings(text=None, environ=None, **arguments):
        file = None
        if text is not None:
            file = tmp_path / "config.yaml"
            file.write_text(text)
        return read_settings(file, environ or {}, arguments)

    return settings


def test_a_file_says_all(read, tmp_path):
    found = read(FULL)
    (camera,) = found.cameras
    assert camera.video == str(tmp_path / "clips/gate.mp4"), "relative to the file"
    assert (camera.fps, camera.loop, camera.jpeg_quality) == (Fraction(25, 2), False, 70)
    assert (camera.source, camera.version) == ("Gate", "v2")
    assert (found.host, found.port) == ("::1", 9000)
    assert (found.log_level, found.log_format) == ("DEBUG", "%(message)s")


def test_what_is_left_out_has_a_default(read):
    found = read("video: {path: /a.mp4}\nstream:\n")
    (camera,) = found.cameras
    assert (camera.fps, camera.loop, camera.jpeg_quality) == (None, True, 80)
    assert (camera.source, camera.version) == ("DrishtiStream", "v1.0")
    assert (found.host, found.port) == ("127.0.0.1", 8000)


def test_variables_win_over_the_file_and_options_over_both(read):
    environ = {
        "DRISHTI_VIDEO_PATH": "other.mp4",
        "DRISHTI_FPS": "30000/1001",
        "DRISHTI_LOOP": "TRUE",
        "DRISHTI_JPEG_QUALITY": "55",
        "DRISHTI_PORT": "9001",
        "DRISHTI_LOG_LEVEL": "warning",
    }
    found = read(FULL, environ)
    (camera,) = found.cameras
    assert camera.video == "other.mp4", "relative to the current folder"
    assert (camera.fps, camera.loop, camera.jpeg_quality) == (Fraction(30000, 1001), True, 55)
    assert (found.port, found.log_level) == (9001, "WARNING")
    found = read(FULL, environ, videos=["third.mp4"], fps="5", loop=False, port="0")
    (camera,) = found.cameras
    assert (camera.video, camera.fps, camera.loop) == ("third.mp4", 5, False)
    assert (camera.jpeg_quality, found.port) == (55, 0)


def test_a_port_of_its_own_wins_over_port(read):
    assert read(FULL, {"PORT": "7000"}).port == 7000
    assert read(FULL, {"PORT": "7000", "DRISHTI_PORT": "7001"}).port == 7001
    assert read(FULL, {"PORT": " "}).port == 9000


def test_several_cameras_share_what_video_says(read, tmp_path):
    text = """
video: {fps: 10, jpeg_quality: 60}
cameras:
  gate: {path: gate.mp4}
  yard: {path: s3://clips/yard.mp4, fps: 2, source: Yard}
"""
    gate, yard = read(text).cameras
    assert (gate.name, gate.video, gate.fps) == ("gate", str(tmp_path / "gate.mp4"), 10)
    assert (yard.name, yard.video, yard.fps) == ("yard", "s3://clips/yard.mp4", 2)
    assert (yard.source, yard.jpeg_quality) == ("Yard", 60)
    assert [one.fps for one in read(text, fps="4").cameras] == [4, 4], "an option is for all"


def test_videos_on_the_command_line_have_names(read):
    names = [one.name for one in read(videos=["gate=a.mp4", "some clip.mp4", "b/c.mp4"]).cameras]
    assert names == ["gate", "some-clip", "c"]
    assert read(videos=["a.mp4"]).cameras[0].name == "camera"
    assert read(videos=["https://host/a.mp4?key=b"]).cameras[0].video == "https://host/a.mp4?key=b"
    with pytest.raises(SettingError, match="two cameras are called 'a'"):
        read(videos=["a/a.mp4", "b/a.mp4"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("video: {path: a.mp4, fpss: 3}", "unknown key 'fpss'; known: fps"),
        ("vidoe: {path: a.mp4}", "unknown key 'vidoe'; known: cameras"),
        ("video: {path: a.mp4, fps: 0}", "video.fps must be frames a second above 0"),
        ("video: {path: a.mp4, fps: -1}", "video.fps must be"),
        ("video: {path: a.mp4, fps: .nan}", "video.fps must be"),
        ("video: {path: a.mp4, fps: true}", "video.fps must be"),
        ("video: {path: a.mp4, fps: 1/0}", "video.fps must be"),
        ("video: {path: a.mp4, fps: 1000}", "at most 240"),
        ("video: {path: a.mp4, loop: maybe}", "video.loop must be true or false, got 'maybe'"),
        ("video: {path: a.mp4, jpeg_quality: 101}", "video.jpeg_quality must be a whole number"),
        ("video: {path: [a]}", "must be a text"),
        ("video: clip.mp4", "video must be a block"),
        ("server: {port: 70000}\nvideo: {path: a}", "server.port must be a whole number from 0"),
        ("limits: {send_s: 0}\nvideo: {path: a}", "limits.send_s must be seconds above 0"),
        ("server: {origins: a}\nvideo: {path: a}", "server.origins must be a list"),
        ("logging: {level: loud}\nvideo: {path: a}", "logging.level must be one of DEBUG"),
        ("logging: {format: '%(nothing)s'}\nvideo: {path: a}", "logging.format must be a format"),
        ("cameras: {a b: {path: a.mp4}}", "a camera's name is letters"),
        ("cameras: {gate: a.mp4}", "cameras.gate must be a block"),
        ("cameras: {gate: {fps: 3}}", "cameras.gate: path is missing"),
        ("cameras: {gate: {path: a, port: 3}}", "cameras.gate: unknown key 'port'"),
        ("cameras: [a.mp4]", "cameras must be names with blocks"),
        ("- a", "must hold blocks"),
        ("video: [", "is not valid YAML"),
        ("stream: {name: Gate}", "there is no video to play"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_one_line(read, text, why):
    with pytest.raises(SettingError) as raised:
        read(text)
    assert why in str(raised.value)
    assert "config.yaml" in str(raised.value) or "no video" in why
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DRISHTI_FPS", "0"),
        ("DRISHTI_FPS", "fast"),
        ("DRISHTI_LOOP", "2"),
        ("DRISHTI_JPEG_QUALITY", "0"),
        ("DRISHTI_PORT", "http"),
        ("PORT", "-1"),
        ("DRISHTI_LOG_LEVEL", "X"),
    ],
)
def test_a_wrong_variable_is_named(read, variable, value):
    with pytest.raises(SettingError, match=rf"^{variable} must be .*got '?{value}'?$"):
        read("video: {path: a.mp4}", {variable: value})


def test_a_wrong_option_is_named(read):
    with pytest.raises(SettingError, match=r"^--fps must be"):
        read(videos=["a.mp4"], fps="0")


def test_an_option_is_named_as_it_was_given(read):
    with pytest.raises(SettingError, match=r"^--log-level must be one of DEBUG"):
        read(videos=["a.mp4"], level="LOUD")


@pytest.mark.parametrize(
    "origin",
    ["foo", "https://", "https://wall.example/", "https://a@b", "*", "https://Wall.example"],
)
def test_an_origin_that_no_page_has_is_refused(read, origin):
    with pytest.raises(SettingError, match=r"^--allow-origin must be a scheme and a host"):
        read(videos=["a.mp4"], origins=["https://wall.example", origin])


def test_origins_are_those_that_browsers_send(read):
    origins = ["https://wall.example", "http://127.0.0.1:8501", "http://[::1]:80", "null"]
    assert read(videos=["a.mp4"], origins=origins).origins == tuple(origins)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        read_settings(tmp_path / "none.yaml", {}, {})
