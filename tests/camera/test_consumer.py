"""The lab's own source `camera`, and videos from elsewhere."""

import http.server
import itertools
import socket
import threading
from functools import partial

import pytest

from lab.errors import SourceError
from lab.video.camera import fetched as module
from lab.video.camera.fetched import fetched, shown_address
from lab.video.live.make import live_source
from tests.camera.serving import CameraProcess
from tests.video.live.taking import samples_of

TOKEN = "planted-Token_91"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def web(samples):
    """The folder of samples, over HTTP."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(samples))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.long
def test_the_source_of_feeds_takes_it_as_any_other_virtual_camera(samples):
    with CameraProcess("--video", samples / "cat_then_person.mp4", LAB_TOKEN=TOKEN) as camera:
        url = f"{camera.socket_url()}?token={TOKEN}"
        with live_source({"type": "camera", "url": url}) as source:
            found = samples_of(source, 5)
    steps = [b.frame.pts_us - a.frame.pts_us for a, b in itertools.pairwise(found)]
    assert all(
        step % 100_000 == pytest.approx(0, abs=2) or step % 100_000 > 99_998 for step in steps
    )
    assert found[0].frame.image_bgr.shape == (360, 640, 3)


def test_a_video_on_a_web_server_is_copied_while_it_is_played(web, samples):
    with fetched(f"{web}/nothing.mp4?key=1") as path:
        assert path.read_bytes() == (samples / "nothing.mp4").read_bytes()
        assert path.name == "nothing.mp4"
    assert not path.exists()


def test_a_video_that_no_server_has_is_said(web):
    with (
        pytest.raises(SourceError, match=r"no such file: http://127\.0\.0\.1"),
        fetched(f"{web}/none.mp4"),
    ):
        pass


def test_an_address_at_which_nothing_answers_is_said_in_plain_words():
    with socket.socket() as free:  # bound, and not listening
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.mp4"
        with pytest.raises(SourceError) as refused, fetched(f"{url}?key=1"):
            pass
    why = "nothing answers there; check host, port and the network"
    assert str(refused.value) == f"{url} cannot be fetched: {why}"


def test_what_it_needs_for_the_web_is_named_with_its_extra(monkeypatch):
    from lab import extras

    monkeypatch.setattr(extras, "is_installed", lambda name: name != "aiohttp")
    way_out = r"aiohttp: pip install \"sighting-lab\[remote\]\""
    with pytest.raises(SourceError, match=way_out), fetched("https://host.example/a.mp4"):
        pass


def test_a_video_in_an_object_store_is_had_from_its_copy(monkeypatch, tmp_path):
    class Copy:
        def __init__(self, url):
            assert url == "gs://bucket/clip.mp4"
            self.path = tmp_path / "clip.mp4"
            self.path.write_bytes(b"x")

        def close(self):
            self.path.unlink()

    monkeypatch.setattr(module, "LocalCopy", Copy)
    with fetched("gs://bucket/clip.mp4") as path:
        assert path.exists()
    assert not path.exists()


def test_an_address_is_shown_without_what_opens_it():
    assert shown_address("https://me:pw@host/a.mp4?sig=1") == "https://host/a.mp4"
    assert shown_address("clips/a?b.mp4") == "clips/a?b.mp4"
