"""Pages that yt-dlp resolves; a module of that name that answers from a file stands for it."""

import json

import pytest

from lab.errors import SettingError, SourceError
from lab.video.live.captures import youtube
from lab.video.live.captures.youtube import YouTubeCapture
from tests.live.watching import Watched
from tests.peers.http_server import HttpServer, moving
from tests.peers.programs import wait_for

RESOLVER = """
import json, os
class YoutubeDL:
    def __init__(self, options):
        self.options = options
    def __enter__(self):
        return self
    def __exit__(self, *exc):
        pass
    def extract_info(self, page, download):
        print("yt-dlp talks")
        assert not download
        folder = os.path.dirname(__file__)
        with open(os.path.join(folder, "asked.jsonl"), "a") as file:
            file.write(json.dumps([page, self.options["format"]]) + "\\n")
        answer = json.load(open(os.path.join(folder, "answer.json")))
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer
"""
PAGE = "https://www.youtube.com/watch?v=a-camera"


class Resolver:
    def __init__(self, folder):
        self._folder = folder
        (folder / "yt_dlp.py").write_text(RESOLVER)

    def answers(self, **answer):
        (self._folder / "answer.json").write_text(json.dumps(answer))

    @property
    def asked(self):
        asked = self._folder / "asked.jsonl"
        return [json.loads(line) for line in asked.read_text().splitlines()]


@pytest.fixture
def resolver(tmp_path, monkeypatch):
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(folder)
    return Resolver(folder)


def test_without_yt_dlp_the_way_to_it_is_told(monkeypatch):
    monkeypatch.setattr("lab.extras.is_installed", lambda name: name != "yt_dlp")
    with pytest.raises(SettingError, match=r'yt-dlp: pip install "sighting-lab\[live\]"'):
        YouTubeCapture(PAGE)


@pytest.mark.parametrize("url", ["http://youtube.com/x", "youtube.com/x", "rtsp://host/x", ""])
def test_what_is_no_page_is_refused(resolver, url):
    with pytest.raises(SettingError, match="url must"):
        YouTubeCapture(url)


def hls(encode, folder):
    """A playlist that has an end, of two heights."""
    import subprocess

    clip = encode(
        "page.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "20", "-bf", "0",
        source="testsrc2=size=64x48:rate=20:duration=2",
    )  # fmt: skip
    target = folder / "video.m3u8"
    command = ["ffmpeg", "-v", "error", "-i", str(clip), "-c", "copy", "-f", "hls"]
    subprocess.run([*command, "-hls_time", "1", "-hls_list_size", "0", str(target)], check=True)
    return {f"/{one.name}": one.read_bytes() for one in folder.iterdir()}


def sending(data, kind):
    def answer(to):
        to.begin(kind, Content_Length=str(len(data)))
        to.send(data)

    return answer


@pytest.mark.long
def test_a_video_is_played_at_its_pace_to_its_end(tmp_path, encode, resolver):
    (tmp_path / "hls").mkdir()
    kinds = {"m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t"}
    files = hls(encode, tmp_path / "hls")
    answers = {
        name: sending(data, next(k for end, k in kinds.items() if name.endswith(end)))
        for name, data in files.items()
    }
    with HttpServer(answers) as server:
        resolver.answers(url=server.url + "/video.m3u8", is_live=False)
        with Watched(tmp_path, "youtube", {"url": PAGE, "max_height": 480}, every_s=0.1) as watched:
            watched.join()
        assert watched.states == ["starting", "live", "ended"]
        assert watched.log.pts_us.tolist() == [k * 100_000 for k in range(20)]
        assert not watched.log.gated.all()
        watched.assert_recorded(least=20)
    ((page, wanted),) = resolver.asked
    assert page == PAGE
    assert "[height<=480]" in wanted


@pytest.mark.long
def test_a_live_page_is_resolved_again_with_each_connection(tmp_path, resolver):
    def live(to):
        assert to.headers["User-Agent"] == "a browser"
        to.begin("video/mp2t")
        to.play(moving(1.5))

    with HttpServer({"/1": live, "/2": live}) as server:
        resolver.answers(error="This live event will begin in a moment. https://h/x?token=secret")
        (tmp_path / "feed").mkdir()
        with Watched(tmp_path / "feed", "youtube", {"url": PAGE}) as watched:
            watched.until("reconnecting", "This live event will begin in a moment")
            agent = {"User-Agent": "a browser"}
            resolver.answers(url=server.url + "/1?token=secret", is_live=True, http_headers=agent)
            watched.until("live")
            resolver.answers(url=server.url + "/2?token=secret", is_live=True, http_headers=agent)
            watched.until("reconnecting", "the connection was closed")
            wait_for(lambda: watched.states.count("live") == 2, "the next connection")
    assert len(resolver.asked) >= 3
    watched.assert_recorded(least=5)
    assert b"secret" not in watched.everything_written()


@pytest.mark.long
def test_an_answer_without_a_video_is_said(tmp_path, resolver):
    resolver.answers(title="a page")
    with Watched(tmp_path, "youtube", {"url": PAGE}) as watched:
        watched.until("reconnecting", "yt-dlp gave no address of a video")
        resolver.answers(url="file:///etc/passwd")
        watched.until("reconnecting", "url must begin with rtsp://")


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("Video unavailable. This video has been removed by the uploader", "it is gone, or never"),
        ("Private video. Sign in if you've been granted access", "gives no cookies; give a public"),
        ("Sign in to confirm you’re not a bot. Use --cookies", "gives no cookies; give a public"),
        ("This live event will begin in 3 hours.", "it has not begun"),
        ("This live stream recording is not available.", "it is not live now"),
        ("This live event has ended.", "it is not live now"),
        ("The uploader has not made this video available in your country", "in this country"),
        ("Unable to download webpage: HTTP Error 429: Too Many Requests", "so many requests; wait"),
        (
            "Unable to download API page: Failed to resolve 'www.youtube.com' "
            "([Errno -3] Temporary failure in name resolution)",
            "check this computer's network",
        ),
        ("Requested format is not available. Use --list-formats", "set another max_height"),
        ("Something that nobody has heard of; please report this issue", "that nobody has heard"),
    ],
)
def test_what_yt_dlp_refuses_is_said_with_the_way_out(monkeypatch, message, says):
    """yt-dlp's own errors, in the words of its extractor; nothing is asked for."""
    utils = pytest.importorskip("yt_dlp.utils")

    def refused(page, max_height, proxy):
        inner = utils.ExtractorError(message, video_id="a-camera", ie="youtube", expected=True)
        raise utils.DownloadError(f"ERROR: {inner}")

    monkeypatch.setattr(youtube, "_ask", refused)
    with pytest.raises(SourceError, match=says) as caught:
        list(YouTubeCapture(PAGE).read())
    assert "cannot be resolved" in str(caught.value)
    assert "please report" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "is_again", "has_ended"),
    [
        ("is_live", True, False),
        ("was_live", False, False),
        ("was_live", True, True),
        ("post_live", False, True),
        ("not_live", True, False),
        (None, True, False),
    ],
)
def test_a_live_stream_that_has_ended_is_not_watched_again_from_its_beginning(
    monkeypatch, status, is_again, has_ended
):
    answer = {"url": "https://127.0.0.1:9/video.m3u8", "live_status": status}
    monkeypatch.setattr(youtube, "_ask", lambda *_: answer)
    capture = YouTubeCapture(PAGE)
    capture.is_again = is_again
    says = "the live stream has ended; another is" if has_ended else "nothing answers"
    with pytest.raises(SourceError, match=says):
        list(capture.read())


def test_an_address_that_has_expired_is_no_wrong_password(monkeypatch):
    pytest.importorskip("yt_dlp")

    with HttpServer({}) as server:
        monkeypatch.setattr(youtube, "_ask", lambda *_: {"url": f"{server.url}/old.m3u8"})
        with pytest.raises(SourceError, match="has expired; a new one is asked for"):
            list(YouTubeCapture(PAGE).read())
