"""Where the program connects to for those who may not reach its network: public addresses alone,
whatever form they have, and whatever names, redirects and playlists lead to.
"""

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest

from lab.access.addresses import PUBLIC_ONLY, AddressError, AddressRules
from lab.access.asker import Asker
from lab.access.checked_proxy import CheckedProxy
from lab.app.server.typed_addresses import rules_for, typed_settings
from lab.config import Config
from lab.errors import LabError, SettingError, SourceError
from lab.sinks.make import make_sink
from lab.video.container import open_video
from lab.video.live.captures.camera import CameraCapture
from lab.video.live.captures.stream import StreamCapture
from lab.video.live.make import live_source

PUBLIC = AddressRules.public(())
# The two servers of a test: one that may be reached, and one that may not.
ALLOWED, FORBIDDEN = "127.0.0.2", "127.0.0.1"
ONE_ALLOWED = AddressRules.public((ALLOWED,))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "LOCALHOST.", "127.1", "2130706433", "0x7f000001", "0x7f.1",
        "017700000001", "0177.0.0.1", "0", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a00:1]",
        "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]",
        "[2002:a00:1::1]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    ],
)  # fmt: skip
def test_no_form_of_a_private_address_is_connected_to(host):
    with pytest.raises(SourceError):
        PUBLIC.check(f"http://{host}/x", schemes=("http",))
    with pytest.raises(SourceError):
        PUBLIC.connect(host, 80, 0.1)


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "134744072", "[2606:4700::1111]", "[64:ff9b::808:808]"]
)
def test_public_addresses_may_be_named_in_any_form(host):
    assert PUBLIC.check(f"https://{host}/x", schemes=("https",))[1] == 443


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://8.8.8.8/", "//8.8.8.8/", "http:///x", "http://[::1", ""]
)
def test_other_schemes_and_what_names_no_host_are_refused(url):
    with pytest.raises(AddressError):
        PUBLIC.check(url, schemes=("http", "https"))


def test_an_error_shows_no_password():
    with pytest.raises(AddressError) as raised:
        PUBLIC.check("http://eve:hush-hush@127.0.0.1/", schemes=("http",))
    assert "hush" not in str(raised.value)


def answering(*addresses):
    """A name service that says this, one answer a question."""
    answers = iter(addresses)

    def getaddrinfo(host, port, *_, **__):
        rows = next(answers)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in rows]

    return getaddrinfo


def test_a_name_that_leads_to_a_private_address_too_is_refused(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", answering(["8.8.8.8", "10.0.0.1"]))
    with pytest.raises(AddressError, match="private network"):
        PUBLIC.check("http://both.example/", schemes=("http",))


def test_a_name_that_leads_elsewhere_when_it_is_connected_is_refused(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", answering(["8.8.8.8"], ["127.0.0.1"]))
    host, port = PUBLIC.check("http://rebinds.example/", schemes=("http",))
    with pytest.raises(AddressError, match="private network"):
        PUBLIC.connect(host, port, 1.0)


@pytest.mark.parametrize(
    ("allowed", "host", "is_allowed"),
    [
        (("cam.example",), "cam.example", True),
        (("cam.example",), "CAM.example.", True),
        (("cam.example",), "other.example", False),
        (("*.cams.example",), "a.cams.example", True),
        (("*.cams.example",), "cams.example", False),
        (("*.cams.example",), "evilcams.example", False),
        (("10.0.0.0/8",), "any.example", True),
        (("192.168.0.0/16", "10.0.0.1"), "any.example", True),
        (("192.168.0.0/16",), "any.example", False),
    ],
)
def test_the_settings_may_allow_hosts_and_networks(monkeypatch, allowed, host, is_allowed):
    monkeypatch.setattr(socket, "getaddrinfo", answering(["10.0.0.1"], ["10.0.0.1"]))
    rules = AddressRules.public(allowed)
    if is_allowed:
        assert rules.check(f"http://{host}/", schemes=("http",))
    else:
        with pytest.raises(AddressError):
            rules.check(f"http://{host}/", schemes=("http",))


class Server:
    """Answers by a table of paths; keeps what was asked for."""

    def __init__(self, address, answers):
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                status, headers, body = answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@contextmanager
def serving(answers, address=ALLOWED):
    server = Server(address, answers)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def hidden():
    """What nobody may reach."""
    with serving({"/secret": (200, {}, b"hidden")}, FORBIDDEN) as server:
        yield server


def frames(capture, count=1):
    with capture:
        return [one for one in islice(capture.read(), 50) if one.frames][:count]


def test_a_redirect_to_a_private_address_is_not_followed(hidden):
    moved = {"/a": (302, {"Location": f"{hidden.url}/secret"}, b"")}
    with serving(moved) as server:
        capture = StreamCapture(f"{server.url}/a")
        capture.addresses = ONE_ALLOWED
        with pytest.raises(AddressError, match="private network"):
            frames(capture)
        assert server.asked == ["/a"]
    assert hidden.asked == []


def test_what_is_allowed_is_seen_through_the_proxy(samples, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1,127.0.0.2")
    clip = (samples / "cat_then_person.mp4").read_bytes()
    with serving({"/clip.mp4": (200, {"Content-Type": "video/mp4"}, clip)}) as server:
        capture = StreamCapture(f"{server.url}/clip.mp4")
        capture.addresses = ONE_ALLOWED
        assert frames(capture)
        assert capture._proxy is not None


EVIL = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:10
#EXT-X-MEDIA-SEQUENCE:0
{key}#EXTINF:10.0,
{segment}
#EXT-X-ENDLIST
"""


def evil_segments(hidden, clip):
    return {
        "file": f"file://{clip}",
        "path": str(clip),
        "concat": f"concat:{clip}|{clip}",
        "subfile": f"subfile,,start,0,end,100,,:{clip}",
        "private": f"{hidden.url}/secret",
        "decimal": hidden.url.replace("127.0.0.1", "2130706433") + "/secret",
        "tcp": "tcp://" + hidden.url.removeprefix("http://"),
    }


@pytest.mark.parametrize("what", ["file", "path", "concat", "subfile", "private", "decimal", "tcp"])
def test_an_evil_playlist_reads_no_file_and_reaches_no_private_address(hidden, samples, what):
    segment = evil_segments(hidden, samples / "cat_then_person.mp4")[what]
    playlist = EVIL.format(key="", segment=segment).encode()
    answers = {"/live.m3u8": (200, {"Content-Type": "application/vnd.apple.mpegurl"}, playlist)}
    with serving(answers) as server:
        capture = StreamCapture(f"{server.url}/live.m3u8", connect_s=2.0)
        capture.addresses = ONE_ALLOWED
        try:
            assert frames(capture) == []
        except SourceError:
            pass
    assert hidden.asked == []


@pytest.mark.parametrize("what", ["file", "path", "concat", "subfile"])
def test_an_evil_playlist_reads_no_file_for_a_local_user_either(hidden, samples, what):
    segment = evil_segments(hidden, samples / "cat_then_person.mp4")[what]
    key = f'#EXT-X-KEY:METHOD=AES-128,URI="file://{samples / "nothing.mp4"}"\n'
    playlist = EVIL.format(key=key, segment=segment).encode()
    with serving({"/live.m3u8": (200, {}, playlist)}) as server:
        try:
            assert frames(StreamCapture(f"{server.url}/live.m3u8", connect_s=2.0)) == []
        except SourceError:
            pass


@pytest.mark.parametrize("name", ["clip.mp4", "clip.m3u8", "clip.ts"])
@pytest.mark.parametrize("kind", ["hls", "ffconcat", "concat", "sdp"])
def test_a_playlist_that_is_named_as_a_clip_is_refused(hidden, samples, tmp_path, name, kind):
    clip = samples / "cat_then_person.mp4"
    text = {
        "hls": EVIL.format(key="", segment=f"file://{clip}"),
        "ffconcat": f"ffconcat version 1.0\nfile '{clip}'\nfile '{hidden.url}/secret'\n",
        "concat": f"concat:{clip}",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    }[kind]
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match="text file, not a video"), open_video(tmp_path / name):
        pass
    assert hidden.asked == []


@pytest.mark.parametrize("url", ["rtsp://8.8.8.8/x", "rtsps://8.8.8.8/x"])
def test_rtsp_cannot_be_kept_to_public_addresses_and_says_so(url):
    capture = StreamCapture(url)
    capture.addresses = PUBLIC
    with pytest.raises(AddressError, match="RTSP cannot be kept"):
        frames(capture)


def test_a_virtual_camera_is_not_looked_for_on_a_private_address(hidden):
    pytest.importorskip("websockets")
    capture = CameraCapture(hidden.url)
    capture.addresses = PUBLIC
    with pytest.raises(AddressError, match="private network"):
        frames(capture)
    assert hidden.asked == []


def test_the_proxy_serves_nobody_who_does_not_know_its_password(hidden):
    with CheckedProxy(AddressRules()) as proxy:
        port = int(proxy.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 5) as asking:
            asking.sendall(f"GET {hidden.url}/secret HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert asking.recv(1000).startswith(b"HTTP/1.1 407")
    assert hidden.asked == []


def test_a_tunnel_to_a_private_address_is_refused(hidden):
    pytest.importorskip("httpx2")
    import httpx2

    with CheckedProxy(ONE_ALLOWED) as proxy, serving({"/a": (200, {}, b"in")}) as server:
        asking = httpx2.Client(proxy=proxy.url, trust_env=False)
        assert asking.get(f"{server.url}/a").text == "in"
        assert asking.get(f"{hidden.url}/secret").status_code == 403
        with pytest.raises(httpx2.ProxyError):
            asking.get(hidden.url.replace("http", "https") + "/secret")
        assert "private network" in proxy.refused
    assert hidden.asked == []


def test_a_webhook_of_a_remote_user_posts_to_no_private_address(hidden):
    pytest.importorskip("httpx2")
    settings = {"type": "webhook", "url": f"{hidden.url}/secret", PUBLIC_ONLY: True}
    with make_sink("mine", settings) as sink, pytest.raises(LabError) as raised:
        sink._http.sent("POST", f"{hidden.url}/secret")
    assert "private network" in str(raised.value)
    assert hidden.asked == []
    with make_sink("mine", settings | {PUBLIC_ONLY: False}) as sink:
        assert sink._http.sent("POST", f"{hidden.url}/secret").status == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"type": "mqtt", "host": "127.0.0.1"},
        {"type": "redis", "url": "redis://127.0.0.1"},
        {"type": "notify", "urls": ["json://127.0.0.1"]},
    ],
)
def test_a_sink_that_cannot_be_kept_to_public_addresses_is_refused(settings):
    for package in ("paho", "redis", "apprise"):
        pytest.importorskip(package)
    with pytest.raises(SettingError, match="cannot be kept to public addresses"):
        make_sink("mine", settings | {PUBLIC_ONLY: True})


def test_sinks_that_write_files_are_no_matter_of_addresses(tmp_path):
    settings = {"type": "jsonl", "path": str(tmp_path / "x.jsonl"), PUBLIC_ONLY: True}
    make_sink("mine", settings).close()


HERE = Asker(name="app", scope="admin", is_local=True)
AWAY = Asker(name="eve@example.org", scope="admin", is_local=False)


@pytest.mark.parametrize(
    ("setting", "asker", "may"),
    [
        ("local", HERE, True),
        ("local", AWAY, False),
        ("local", None, False),
        ("all", AWAY, True),
        ("none", HERE, False),
    ],
)
def test_who_may_name_private_addresses_is_a_setting(tmp_path, setting, asker, may):
    config = Config(store=tmp_path, private_addresses=setting)
    assert rules_for(config, asker).allows_private is may
    source = {"type": "stream", "url": "http://192.168.1.20/video"}
    if may:
        assert typed_settings(config, asker, source) == source
        assert typed_settings(config, asker, source | {PUBLIC_ONLY: True}) == source
    else:
        with pytest.raises(AddressError, match="allowed_addresses"):
            typed_settings(config, asker, source)
        allowed = Config(
            store=tmp_path, private_addresses=setting, allowed_addresses=("192.168.1.0/24",)
        )
        assert typed_settings(allowed, asker, source) == source | {PUBLIC_ONLY: True}


def test_an_address_with_a_kept_secret_is_typed_anew_by_those_who_may_not(tmp_path):
    source = {"type": "stream", "url": "http://${FEED_SECRET_1}/x"}
    config = Config(store=tmp_path)
    assert typed_settings(config, HERE, source) == source
    with pytest.raises(AddressError, match="type it whole"):
        typed_settings(config, AWAY, source)


def test_the_rules_of_a_feed_hold_in_the_process_that_reads_it(hidden):
    """From the feed's row to the reader: the name could lead elsewhere when it connects."""
    from lab.video.sampling import Sampling

    row = {"type": "stream", "url": f"{hidden.url}/secret", PUBLIC_ONLY: True}
    with live_source(row) as source, pytest.raises(SourceError, match="private network"):
        list(source.samples([Sampling(every_s=1)]))
    assert hidden.asked == []
