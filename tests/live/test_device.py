"""Cameras of this computer. What they give is decoded here from a file in their raw format."""

import errno
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import av
import pytest

from lab.errors import SettingError, SourceError
from lab.video.live.captures.device import DeviceCapture
from lab.video.live.given_samples import SamplesGiven
from lab.video.live.reader import Reader
from lab.video.sources.recording import RecordingSource
from tests.unprivileged import as_nobody


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "by its index or its path, one of the two"),
        ({"index": 0, "path": "/dev/video0"}, "one of the two"),
        ({"index": -1}, "index must be a whole number from 0 to 255, got -1"),
        ({"path": "video0"}, "path must be that of a device"),
        ({"index": 0, "width": 640}, "width and height are given together"),
        ({"index": 0, "width": 640, "height": "480"}, "height must be a whole number"),
        ({"index": 0, "fps": 0}, "fps must be more than 0"),
    ],
)
def test_a_setting_that_is_no_such_thing_is_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        DeviceCapture(**settings)


def test_a_device_that_is_not_there_may_come(tmp_path):
    with pytest.raises(SourceError, match="there is no device /dev/video255; plug") as caught:
        next(DeviceCapture(255).read())
    assert not isinstance(caught.value, SettingError)


def test_what_is_no_device_is_refused(tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"x")
    with pytest.raises(SettingError, match="is no device; a video file is a source file"):
        next(DeviceCapture(path=str(clip)).read())


def test_what_is_no_camera_gives_no_pictures():
    master, slave = os.openpty()
    try:
        for path in ("/dev/null", os.ttyname(slave)):
            says = f"{path} gives no pictures: it is no camera; give the index or path of one"
            with pytest.raises(SourceError, match=says):
                next(DeviceCapture(path=path).read())
    finally:
        os.close(master)
        os.close(slave)


def test_a_pipe_and_a_folder_are_no_devices(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(SettingError, match="is no device; a video file is a source file"):
            next(DeviceCapture(path=str(path)).read())


def test_a_device_without_permission_says_who_may(request):
    folder = Path(tempfile.mkdtemp(prefix="lab-test-"))
    request.addfinalizer(lambda: shutil.rmtree(folder))
    folder.chmod(0o755)
    device = folder / "video0"
    try:
        os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except OSError:
        pytest.skip("devices cannot be made here (needs root)")
    with as_nobody(), pytest.raises(SourceError, match="add them to the group video"):
        next(DeviceCapture(path=str(device)).read())


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EBUSY, "another program uses it; close that"),
        (errno.ENODEV, "it is gone; was it unplugged"),
        (errno.EIO, "it does not answer; was it unplugged"),
        (errno.EINVAL, "it does not take this width, height or fps; leave them out"),
        (errno.ENOMEM, "gives no pictures: "),
    ],
)
def test_what_the_driver_refuses_is_said_with_the_way_out(monkeypatch, number, says):
    """The driver's answers, as PyAV raises them; no camera is here to give them."""

    def refused(*_, **__):
        raise av.error.OSError(number, os.strerror(number), "/dev/null")

    monkeypatch.setattr(av, "open", refused)
    with pytest.raises(SourceError, match=says):
        next(DeviceCapture(path="/dev/null").read())


def test_a_camera_that_is_unplugged_while_it_is_read_is_said(tmp_path, monkeypatch):
    """A program that writes raw pictures into a pipe stands for the camera, and is killed."""
    pipe = tmp_path / "camera.nut"
    os.mkfifo(pipe)
    command = ["ffmpeg", "-v", "quiet", "-y", "-f", "lavfi", "-i"]
    command += ["testsrc2=size=64x48:rate=20:duration=600", "-pix_fmt", "yuyv422"]
    camera = subprocess.Popen(
        [*command, "-c:v", "rawvideo", "-f", "nut", str(pipe)], stdin=subprocess.DEVNULL
    )
    opened = av.open

    def open_pipe(place, *more, **options):
        if place == "/dev/zero":
            return opened(str(pipe), format="nut")
        return opened(place, *more, **options)

    monkeypatch.setattr(av, "open", open_pipe)
    given = 0
    try:
        with (
            DeviceCapture(path="/dev/zero") as capture,
            pytest.raises(SourceError, match="/dev/zero gives no more pictures; was it unplugged"),
        ):
            for _ in capture.read():
                camera.kill()
                given += 1
        assert 0 < given < 12_000
    finally:
        camera.kill()
        camera.wait()


@pytest.mark.parametrize(
    ("pixels", "codec"), [("yuyv422", "rawvideo"), ("bgr24", "rawvideo"), ("yuvj420p", "mjpeg")]
)
def test_what_is_analysed_is_what_was_kept(tmp_path, encode, monkeypatch, capsys, pixels, codec):
    import json
    import zlib

    clip = encode(
        f"camera-{pixels}.nut", "-pix_fmt", pixels, "-c:v", codec,
        source="testsrc2=size=63x48:rate=20:duration=1",
    )  # fmt: skip

    class Fake(DeviceCapture):
        def read(self):
            with av.open(str(clip)) as container:
                yield from self.read_from(container)

    seen = []
    give = SamplesGiven.give
    monkeypatch.setattr(
        SamplesGiven,
        "give",
        lambda self, image, stamp: (
            seen.append(zlib.crc32(image.tobytes())),
            give(self, image, stamp),
        ),
    )
    settings = {"folder": tmp_path, "every_s": [0.1], "recording": tmp_path / "recording"}
    Reader(Fake(0), settings).run()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [line["pts_us"] for line in lines if line["kind"] == "frame"]
    assert len(told) == 10
    again = list(RecordingSource(tmp_path / "recording").frames(0.1))
    assert [frame.pts_us for frame in again] == told
    assert [zlib.crc32(frame.image_bgr.tobytes()) for frame in again] == seen
