"""Downloads, against a real server on this machine."""

import hashlib
import http.server
import json
import threading

import pytest

from lab.detectors.weights.download import download
from lab.detectors.weights.fetch import fetch, pins, verify
from lab.detectors.weights.find import find_weights
from lab.errors import DetectorError

CONTENT = hashlib.shake_128(b"weights").digest(700_000)
BLOCK_BYTES = 65_536
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Serves `content`, the first `cuts` times only `cut_after` bytes; counts what it sent."""

    def __init__(self):
        self.content, self.etag, self.has_ranges = CONTENT, '"one"', True
        self.cut_after, self.cuts, self.status, self.redirect = None, 0, None, None
        self.sent_bytes, self.ranges = 0, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                outer.answer(self)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/own.pt"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, to):
        self.ranges.append(to.headers.get("Range"))
        if self.status or self.redirect:
            to.send_response(self.status or 302)
            if self.redirect:
                to.send_header("Location", self.redirect)
            to.send_header("Content-Length", "0")
            to.end_headers()
            return
        start = 0
        asked = to.headers.get("Range")
        if asked and self.has_ranges and to.headers.get("If-Range") == self.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(self.content):
                to.send_response(416)
                to.send_header("Content-Range", f"bytes */{len(self.content)}")
                to.send_header("Content-Length", "0")
                to.end_headers()
                return
            to.send_response(206)
            to.send_header(
                "Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
            )
        else:
            to.send_response(200)
        body = self.content[start:]
        if self.etag:
            to.send_header("ETag", self.etag)
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        if self.cuts > 0:
            self.cuts -= 1
            body = body[: self.cut_after]
            to.close_connection = True
        self.sent_bytes += len(body)
        to.wfile.write(body)


@pytest.fixture
def server():
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("YOLO_OFFLINE")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAB_MODELS", str(tmp_path))
    return tmp_path


def get(server, folder, **settings):
    return download(server.url, folder / "own.pt", pause_s=0, **settings)


def left(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def test_a_whole_file_comes_with_progress_and_leaves_nothing_beside_it(server, folder):
    seen = []
    digest = get(
        server, folder, sha256=SHA256, size_bytes=len(CONTENT), progress=lambda *p: seen.append(p)
    )
    assert digest == SHA256
    assert (folder / "own.pt").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert left(folder) == ["own.pt"]


def test_a_cut_download_goes_on_where_it_broke(server, folder):
    server.cut_after, server.cuts = 300_000, 1
    assert get(server, folder) == SHA256
    first, second = server.ranges
    kept_bytes = int(second.removeprefix("bytes=").rstrip("-"))
    assert first is None
    assert 300_000 - BLOCK_BYTES < kept_bytes <= 300_000
    assert server.sent_bytes == 300_000 + len(CONTENT) - kept_bytes


def test_a_stopped_download_goes_on_in_another_call(server, folder):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, folder, progress=stop)
    part_bytes = (folder / "own.pt.part").stat().st_size
    assert 0 < part_bytes < len(CONTENT)
    assert get(server, folder) == SHA256
    assert server.ranges == [None, f"bytes={part_bytes}-"]


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(server, folder):
    server.cut_after, server.cuts = 300_000, 9
    with pytest.raises(DetectorError):
        get(server, folder, attempts=1, progress=lambda *p: setattr(server, "status", 500))
    server.status, server.cuts = None, 0
    server.etag, server.content = '"two"', CONTENT[::-1]
    get(server, folder)
    assert (folder / "own.pt").read_bytes() == CONTENT[::-1]


def test_a_complete_part_only_gets_its_name(server, folder):
    server.cut_after, server.cuts = 0, 1
    get(server, folder)
    (folder / "own.pt").rename(folder / "own.pt.part")
    mark = hashlib.sha256(server.url.encode()).hexdigest()
    (folder / "own.pt.part.json").write_text(json.dumps({"url": mark, "validator": server.etag}))
    before = server.sent_bytes
    assert get(server, folder) == SHA256
    assert server.sent_bytes == before


def test_a_server_without_ranges_starts_again(server, folder):
    server.has_ranges = False
    server.cut_after, server.cuts = 300_000, 1
    assert get(server, folder) == SHA256
    assert server.sent_bytes == 300_000 + len(CONTENT)


def test_a_server_that_names_no_version_is_not_asked_for_parts(server, folder):
    server.etag = ""
    server.cut_after, server.cuts = 300_000, 1
    assert get(server, folder) == SHA256
    assert server.ranges == [None, None]


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"sha256": "0" * 64}, "sha256 .* expected 0000"),
        ({"md5": "0" * 32}, "md5 .* expected 0000"),
        ({"size_bytes": 5}, "700000 bytes, expected 5"),
    ],
)
def test_a_wrong_file_is_not_kept(server, folder, expected, words):
    with pytest.raises(DetectorError, match=words):
        get(server, folder, **expected)
    assert left(folder) == []


def test_the_right_md5_passes(server, folder):
    assert get(server, folder, md5=hashlib.md5(CONTENT).hexdigest()) == SHA256


def test_a_missing_file_is_one_line_that_says_what_to_do(server, folder):
    server.status = 404
    with pytest.raises(
        DetectorError, match=rf"answered 404 .*fetch {server.url} yourself and put it at .*own\.pt$"
    ) as caught:
        get(server, folder)
    assert "\n" not in str(caught.value)
    assert len(server.ranges) == 1
    assert left(folder) == []


def test_a_busy_server_is_asked_again(server, folder):
    server.status = 503
    with pytest.raises(DetectorError, match="answered 503"):
        get(server, folder, attempts=3)
    assert len(server.ranges) == 3


@pytest.mark.parametrize("name", ["LAB_OFFLINE", "YOLO_OFFLINE"])
def test_offline_nothing_is_asked_and_the_line_says_from_where_to_where(
    server, folder, monkeypatch, name
):
    monkeypatch.setenv(name, "true")
    with pytest.raises(
        DetectorError,
        match=f"downloads are off.*fetch {server.url} yourself and put it at {folder}/own.pt",
    ):
        get(server, folder)
    assert server.ranges == []


def test_no_connection_is_one_line(server, folder):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(DetectorError, match=r"no connection to 127\.0\.0\.1.*put it at"):
        get(server, folder, attempts=2)


@pytest.mark.parametrize(
    "to", ["http://example.org/own.pt", "ftp://127.0.0.1/own.pt", "file:///etc/passwd"]
)
def test_redirects_lead_to_https_alone(server, folder, to):
    server.redirect = to
    with pytest.raises(DetectorError, match=r"redirected to .* not https"):
        get(server, folder)


@pytest.mark.parametrize("url", ["http://example.org/own.pt", "file:///etc/passwd", "own.pt"])
def test_addresses_must_be_https(folder, url):
    with pytest.raises(DetectorError, match="must begin with https"):
        download(url, folder / "own.pt")


def test_a_key_in_an_address_is_in_no_message_and_no_file(server, folder):
    server.status = 404
    url = server.url.replace("127", "anna:secret@127") + "?token=secret"
    with pytest.raises(DetectorError) as caught:
        download(url, folder / "own.pt", pause_s=0)
    assert "secret" not in str(caught.value)
    server.status, server.cuts, server.cut_after = None, 9, 300_000
    with pytest.raises(DetectorError):
        download(
            url,
            folder / "own.pt",
            pause_s=0,
            attempts=1,
            progress=lambda *p: setattr(server, "status", 404),
        )
    assert all(
        "secret" not in p.read_text(errors="replace")
        for p in folder.iterdir()
        if p.suffix == ".json"
    )


def test_a_folder_that_is_a_file_is_one_line(server, folder):
    (folder / "models").write_text("a file")
    with pytest.raises(DetectorError, match=r"could not be downloaded .*put it at"):
        download(server.url, folder / "models" / "own.pt")


def test_two_at_once_get_one_whole_file(server, folder):
    found = []
    threads = [threading.Thread(target=lambda: found.append(get(server, folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SHA256] * 4
    assert server.sent_bytes == len(CONTENT)


def write_catalogue(folder, server, more=""):
    (folder / "catalogue.toml").write_text(f'["own.pt"]\nurl = "{server.url}"\n{more}')


def test_names_of_the_own_catalogue_are_downloaded_and_remembered(server, folder):
    write_catalogue(folder, server)
    assert find_weights("own.pt") == folder / "own.pt"
    assert pins()["own.pt"] == {"sha256": SHA256, "url": server.url, "check": "first download"}
    assert [r["state"] for r in verify([])] == ["ok"]


def test_another_file_than_the_first_is_refused(server, folder):
    write_catalogue(folder, server)
    fetch("own.pt")
    (folder / "own.pt").unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(DetectorError, match=f"expected {SHA256[:12]}"):
        fetch("own.pt")
    assert not (folder / "own.pt").exists()


def test_a_downloaded_file_that_was_changed_is_not_opened(server, folder):
    write_catalogue(folder, server)
    fetch("own.pt")
    (folder / "own.pt").write_bytes(b"changed")
    for name in ("own.pt", "own", str(folder / "own.pt")):
        with pytest.raises(DetectorError, match="rename it if it is your own"):
            find_weights(name)
    assert [r["state"] for r in verify(["own.pt"])] == ["differs"]


def test_a_damaged_memory_is_not_an_empty_one(server, folder):
    write_catalogue(folder, server)
    fetch("own.pt")
    (folder / ".pinned.json").write_text("{")
    with pytest.raises(DetectorError, match="cannot be read; it remembers"):
        find_weights("own.pt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('["a.pt"]\nurl = "http://example.org/a.pt"', "needs a url that begins with https"),
        ('["a.pt"]\nurl = "https://x.org/a.pt"\nsha256 = "12"', "sha256 must be 64"),
        ('["a.pt"]\nurl = "https://x.org/a.pt"\nsha = "12"', "unknown keys"),
        ('["../a.pt"]\nurl = "https://x.org/a.pt"', "must be the name of a file"),
        ('["yolo11s.pt"]\nurl = "https://x.org/a.pt"', "built-in name"),
        ("a = ", "cannot be read"),
    ],
)
def test_mistakes_in_the_own_catalogue_are_named(folder, text, words):
    (folder / "catalogue.toml").write_text(text)
    with pytest.raises(DetectorError, match=words):
        find_weights("a.pt")
