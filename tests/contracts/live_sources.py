"""How the contract suite makes each live source, by name: a real peer of it, and its settings.

Each gives at least ten frames of a different picture. Where a peer needs a program or a device, its
own test has it: see `ELSEWHERE`.
"""

import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.video.live.captures.webcam import HEADER, reach
from tests.video.live.taking import jpeg
from tests.video.live.test_camera import Camera, message

COUNT = 10
START = 1767225600.0
SECRET = "s3cret"
# Their tests are in tests/video: they need programs, devices, or somebody who publishes.
ELSEWHERE = {"device", "rtmp", "stream", "youtube"}


@dataclass
class Peer:
    """settings: of the source. wrong: settings that it refuses. state_folder: for the source."""

    settings: dict[str, Any]
    wrong: dict[str, Any]
    state_folder: Path
    close: Any = field(default=lambda: None)


def _camera(folder, encode):
    peer = Camera([message(i) for i in range(COUNT)], pace_s=0.03)
    peer.__enter__()
    url = peer.url.replace("secret", SECRET)
    return Peer({"type": "camera", "url": url}, {"url": f"ftp://u:{SECRET}@x"}, folder / "state",
                lambda: peer.__exit__(None, None, None))  # fmt: skip


def _file(folder, encode):
    x264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "10", "-bf", "2")
    clip = encode("live.mp4", *x264, source="testsrc2=size=64x48:rate=30:duration=1")
    return Peer({"type": "file", "path": str(clip)}, {"position": -1}, folder / "state")


def _images(folder, encode):
    pictures = folder / "pictures"
    pictures.mkdir()
    for i in range(COUNT):
        (pictures / f"{i}.jpg").write_bytes(jpeg(i))
    settings = {"type": "images", "path": str(pictures), "fps": 25}
    return Peer(settings, {"fps": -1}, folder / "state")


def _segments(folder, encode):
    x264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "10", "-bf", "2")
    clip = encode("part.ts", *x264, source="testsrc2=size=64x48:rate=10:duration=1")
    parts = folder / "parts"
    parts.mkdir()
    (parts / "1.ts").write_bytes(clip.read_bytes())
    settings = {"type": "segments", "path": str(parts), "settle_s": 0.2}
    return Peer(settings, {"settle_s": 0}, folder / "state")


def _webcam(folder, encode):
    state, over = folder / "state", threading.Event()

    def send():
        while not (state / "webcam.json").exists():
            if over.wait(0.02):
                return
        with reach(state) as browser, contextlib.suppress(OSError):
            for i in range(COUNT):
                data = jpeg(i)
                browser.sendall(HEADER.pack(START + i / 20, len(data)) + data)
                over.wait(0.05)
            over.wait()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()

    def close():
        over.set()
        thread.join()

    return Peer({"type": "webcam"}, {"max_height": 1}, state, close)


PEERS = {
    "camera": _camera,
    "file": _file,
    "images": _images,
    "segments": _segments,
    "webcam": _webcam,
}
