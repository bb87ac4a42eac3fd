"""Fetching published weights, from a hub on loopback."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lab.detectors.zero_shot.clip_weights import find_clip_weights
from lab.errors import DetectorError

CONTENT = bytes(range(256)) * 4096
REPOSITORY = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"


class Hub(BaseHTTPRequestHandler):
    """Answers as a hub of models does; may break off once in the middle of a file."""

    def do_HEAD(self):
        self.answer(is_body=False)

    def do_GET(self):
        self.answer(is_body=True)

    def answer(self, is_body):
        hub = self.server
        hub.asked.append(
            (self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization"))
        )
        name = self.path.rsplit("/", 1)[-1]
        if (
            hub.status
            or name not in hub.files
            or not self.path.startswith(f"/{REPOSITORY}/resolve/main/")
        ):
            self.send_response(hub.status or 404)
            if not hub.status:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = hub.files[name]
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if not is_body:
            return
        if hub.breaks_off:
            hub.breaks_off = False
            self.wfile.write(content[start : len(content) // 2])
            self.close_connection = True
            return
        self.wfile.write(content[start:])

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files, server.status, server.breaks_off, server.asked = {}, None, False, []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name in ("LAB_OFFLINE", "YOLO_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_not_to_be_sent")
    monkeypatch.setenv("LAB_MODELS", str(tmp_path / "models"))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_weights_are_fetched_once_and_kept_in_the_models_folder(hub, tmp_path):
    hub.files = {"open_clip_model.safetensors": CONTENT, "open_clip_pytorch_model.bin": b"pickle"}
    found = find_clip_weights("ViT-B-32", None)
    assert found.path.read_bytes() == CONTENT
    assert found.path.is_relative_to(tmp_path / "models" / "clip")
    assert found.name == "laion2b_s34b_b79k"
    assert not any(secret for *_, secret in hub.asked)
    asked = len(hub.asked)
    assert find_clip_weights("ViT-B-32", None).path == found.path
    assert len(hub.asked) == asked


def test_kept_weights_are_used_when_downloads_are_switched_off(hub, monkeypatch):
    hub.files = {"open_clip_model.safetensors": CONTENT}
    fetched = find_clip_weights("ViT-B-32", None).path
    monkeypatch.setenv("LAB_OFFLINE", "true")
    assert find_clip_weights("ViT-B-32", None).path == fetched


def test_a_repository_without_safetensors_gives_its_other_file(hub):
    hub.files = {"open_clip_pytorch_model.bin": CONTENT}
    found = find_clip_weights("ViT-B-32", None)
    assert found.path.name == "open_clip_pytorch_model.bin"
    assert found.path.read_bytes() == CONTENT


def test_an_interrupted_download_is_completed(hub):
    large = CONTENT * 32  # what came is kept in parts of 10 MB
    hub.files, hub.breaks_off = {"open_clip_model.safetensors": large}, True
    assert find_clip_weights("ViT-B-32", None).path.read_bytes() == large
    assert any(
        r and not r.startswith("bytes=0-") for method, _, r, _ in hub.asked if method == "GET"
    )


@pytest.mark.parametrize("status", [None, 403])
def test_a_hub_that_does_not_give_them_is_said_in_one_line(hub, status):
    hub.status = status
    with pytest.raises(
        DetectorError, match=r"are not here .*open_clip_model.safetensors.* put it at"
    ) as caught:
        find_clip_weights("ViT-B-32", None)
    assert "\n" not in str(caught.value)
    assert "hf_not_to_be_sent" not in str(caught.value)
