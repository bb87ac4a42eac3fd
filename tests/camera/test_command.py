"""`lab camera`: what cannot be played or served is said in one line before anything is."""

import socket

import pytest

from lab.app.cli.main import main
from tests.camera.serving import CameraProcess, refused

X264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "10", "-bf", "2")


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """run(*words, **environment) gives the exit code and the error of `lab camera`."""
    monkeypatch.chdir(tmp_path)
    for name in ("LAB_TOKEN", "PORT", "DRISHTI_FPS", "DRISHTI_VIDEO_PATH"):
        monkeypatch.delenv(name, raising=False)

    def run(*words, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = main(["camera", *map(str, words)])
        return code, capsys.readouterr().err

    return run


def test_settings_that_are_wrong_are_wrong_usage(run, samples, tmp_path):
    clip = samples / "cat_then_person.mp4"
    for words, why in (
        ([], "there is no video to play; name one: --video clip.mp4"),
        (["--video", clip, "--fps", "0"], "--fps must be frames a second above 0"),
        (["--video", clip, "--port", "x"], "--port must be a whole number"),
        (["--video", clip, "--host", "0.0.0.0"], "set LAB_TOKEN (or --token), or say --no-token"),
        (["--video", clip, "--token", "a", "--no-token"], "exclude each other"),
        ([tmp_path / "none.yaml"], "cannot be read: No such file"),
        (["--video", "ftp://host/a.mp4"], "an address with s3://, gs:// or https://"),
    ):
        code, error = run(*words)
        assert (code, error.count("\n")) == (2, 1), error
        assert why in error
    code, error = run(DRISHTI_VIDEO_PATH=str(clip), DRISHTI_FPS="0")
    assert (code, "DRISHTI_FPS must be" in error) == (2, True)


def test_a_video_that_is_not_there_fails_at_the_start(run, tmp_path):
    code, error = run("--video", tmp_path / "none.mp4", "--port", "0")
    assert (code, error.count("\n")) == (1, 1)
    assert "no such file" in error


def test_a_port_that_is_taken_is_said(run, samples):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, error = run("--video", samples / "cat_then_person.mp4", "--port", port)
    assert code == 1
    assert "Address already in use; choose another --port" in error


def test_a_config_in_the_current_folder_is_read(run, tmp_path):
    (tmp_path / "config.yaml").write_text("video: {path: none.mp4}\nserver: {port: 0}\n")
    code, error = run()
    assert (code, "no such file: none.mp4" in error) == (1, True)
    code, error = run("--video", "other.mp4")
    assert "other.mp4" in error


def test_an_address_shows_no_key_of_its_own(run):
    secret = "http://user:planted@127.0.0.1:9/clip.mp4?signature=planted"
    code, error = run("--video", secret, "--port", "0")
    assert code == 1
    assert "http://127.0.0.1:9/clip.mp4 cannot be fetched" in error
    assert "planted" not in error


def test_a_package_that_is_missing_is_named_with_its_extra(run, samples, monkeypatch):
    from lab import extras

    monkeypatch.setattr(extras, "is_installed", lambda name: name != "fastapi")
    code, error = run("--video", samples / "cat_then_person.mp4")
    assert code == 1
    assert 'needs the package fastapi: pip install "sighting-lab[serve]"' in error


@pytest.mark.long
def test_a_video_that_is_damaged_fails_at_the_start(encode, tmp_path):
    whole = encode("whole.mp4", *X264, source="testsrc2=size=64x48:rate=30:duration=1")
    path = tmp_path / "clip.mp4"
    path.write_bytes(whole.read_bytes()[:3000])
    code, error = refused("--video", path)
    assert (code, error.count("\n")) == (1, 1)
    assert "camera camera: " in error
    assert "cut off" in error


@pytest.mark.long
def test_variables_are_enough_to_serve_beyond_this_machine(samples):
    environment = {"DRISHTI_VIDEO_PATH": str(samples / "nothing.mp4"), "DRISHTI_FPS": "5"}
    with CameraProcess("--host", "0.0.0.0", "--no-token", **environment) as camera:
        assert camera.get("/").json()["cameras"]["camera"]["rate"] == "5/1"
        assert "is open: whoever reaches this port can watch" in camera.error_text
        named = camera.get("/", headers={"Host": "rebound.example"})
        assert named.status_code == 403
