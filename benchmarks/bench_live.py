"""How old a frame is when it was decided on, and how long 30 days of a log take to read.

    python benchmarks/bench_live.py [--seconds N] [--others N] [--days N] [--clip CLIP]

Lag: a 720p25 stream over RTSP from this machine (gst-rtsp-server), analysed twice a second by
YOLO11 n at 640 px, ONNX Runtime, in each of four ways, one after the other:

    lab         `lab.watch`
    detstream   detstream 0.3's own `watch_feed`, with the same model behind its `detect`
    cv2 each    `cv2.VideoCapture` in a loop that reads every frame and analyses each 12th
    cv2 sleep   the same loop with a pause of half a second between two frames

Each frame carries its number in its picture. The lag of a decision is when its detector was done,
minus when that frame was there at the earliest: its number / 25 s after the beginning, which is set
by the frame that came soonest. Printed are the median, the 95th percentile and how much the median
of the last fifth is above that of the first, all in seconds, and ratios of medians to the lab's.

Log: 30 days at a sample every 2 s, written as a feed does, but compacted once a day until the last
one, then hourly; in the middle the process that writes is killed. What it had flushed must all be
there when another one goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SIDES = ("lab", "detstream", "cv2 each", "cv2 sleep")
FPS, EVERY_S, BITS, BIT_PX = 25, 0.5, 16, 40
WIDTH, HEIGHT = 1280, 720
SAMPLE_US, HOUR = 2_000_000, 1800  # samples an hour
DAY = 24 * HOUR


# The stream


def make_clip(seconds: float, source: Path, path: Path) -> None:
    """720p25 H.264 without reordered frames; the number of each frame is drawn at the bottom."""
    import av
    import cv2

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "50", "crf": "28"}
        pictures = _pictures(source)
        for number in range(int(seconds * FPS)):
            image = cv2.resize(next(pictures), (WIDTH, HEIGHT))
            marks = number | (~number & 2**BITS - 1) << BITS
            for bit in range(2 * BITS):
                x = bit * BIT_PX
                image[HEIGHT - BIT_PX :, x : x + BIT_PX] = 255 * (marks >> bit & 1)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        out.mux(stream.encode(None))


def _pictures(source: Path) -> Any:
    import cv2

    while True:
        capture = cv2.VideoCapture(str(source))
        while True:
            ok, image = capture.read()
            if not ok:
                break
            yield image
        capture.release()


def number_of(image_bgr: np.ndarray) -> int | None:
    """None where the picture is damaged: the number is there twice, the second time inverted."""
    row = image_bgr[HEIGHT - BIT_PX // 2, BIT_PX // 2 :: BIT_PX, 1]
    marks = sum(1 << bit for bit, value in enumerate(row) if value > 127)
    number = marks & 2**BITS - 1
    return number if marks >> BITS == ~number & 2**BITS - 1 else None


# The sides, each in a process of its own


class Timed:
    """The model of all sides; notes each frame's number, when it came, and when it was done."""

    def __init__(self, out: str, seconds: float) -> None:
        from lab.runs.make_detector import make_detector

        self._yolo = make_detector("yolo", labels=["person"], store=Path(out).parent / "texts")
        self._warm()
        self.labels = self._yolo.labels
        self._rows: list[tuple[int, float, float]] = []
        self._out, self._seconds = Path(out), seconds
        self._until: float | None = None

    def _warm(self) -> None:
        from lab.frame import Frame

        self._yolo.detect([Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0, 0, 0.0)])

    def take(self, image_bgr: np.ndarray, came: float) -> list[Any]:
        from lab.frame import Frame

        found = self._yolo.detect([Frame(image_bgr, 0, 0, came)])
        if (number := number_of(image_bgr)) is not None:
            self._rows.append((number, came, time.time()))
        self._until = self._until or time.time() + self._seconds
        if self.is_over:
            self.keep()
        return found

    def keep(self) -> None:
        part = self._out.with_suffix(".part")
        part.write_text(json.dumps(self._rows))
        part.replace(self._out)

    @property
    def is_over(self) -> bool:
        return self._until is not None and time.time() >= self._until


class TimedDetector:
    """As a plugin of the lab."""

    def __init__(self, out: str, seconds: float) -> None:
        self._timed = Timed(out, seconds)
        self.labels = self._timed.labels

    def detect(self, frames: Any) -> list[Any]:
        found = []
        for frame in frames:
            found += self._timed.take(frame.image_bgr, frame.wall_time)
        return found


def run_side(side: str, url: str, out: str, seconds: float) -> None:
    if side == "lab":
        _run_lab(url, out, seconds)
    elif side == "detstream":
        _run_detstream(url, out, seconds)
    else:
        _run_cv2(url, out, seconds, pause_s=EVERY_S if side == "cv2 sleep" else 0.0)


def _run_lab(url: str, out: str, seconds: float) -> None:
    import lab

    feed = {
        "id": "camera",
        "source": {"type": "stream", "url": url},
        "detector": {
            "type": "python", "target": "bench_live:TimedDetector", "out": out, "seconds": seconds,
        },
        "every_s": EVERY_S,
    }  # fmt: skip
    with lab.watch(feeds=[feed], store=Path(out).parent / "store") as watching:
        while not Path(out).exists():
            time.sleep(0.2)
        status = watching.status()["feeds"]["camera"]
        print(f"  lag_s of its status {status['lag_s']:.2f}, skipped {status['skipped']}, "
              f"reconnects {status['reconnects']}", file=sys.stderr)  # fmt: skip


def _run_detstream(url: str, out: str, seconds: float) -> None:
    sys.path.append(str(peers()))
    from detstream.batcher import DetectorBatcher
    from detstream.config import FeedConfig
    from detstream.detectors import Detection
    from detstream.runner import watch_feed

    timed = Timed(out, seconds)

    class Theirs:
        def detect(self, frame: np.ndarray) -> Any:
            (found,) = timed.take(frame, time.time())
            score = float(found.confidence.max(initial=0.0))
            return Detection(present=score >= 0.4, confidence=score)

    feed = FeedConfig(
        id="camera", name="camera", source={"type": "stream", "url": url},
        detector={"type": "yolo"}, debounce={"sample_interval_s": EVERY_S}, sinks=[],
    )  # fmt: skip

    async def watch() -> None:
        task = asyncio.create_task(watch_feed(feed, DetectorBatcher(Theirs()), []))
        while not timed.is_over:
            await asyncio.sleep(0.2)
        task.cancel()
        timed.keep()

    asyncio.run(watch())
    os._exit(0)  # its reading thread may hang


def _run_cv2(url: str, out: str, seconds: float, pause_s: float) -> None:
    import cv2

    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"
    timed = Timed(out, seconds)
    capture = cv2.VideoCapture(url)
    count = 0
    while not timed.is_over:
        ok, image = capture.read()
        if not ok:
            raise SystemExit("the stream ended")
        if pause_s:
            timed.take(image, time.time())
            time.sleep(pause_s)
        elif count % round(EVERY_S * FPS) == 0:
            timed.take(image, time.time())
        count += 1
    timed.keep()


def peers() -> Path:
    return Path(os.environ.get("LAB_PEERS_FOLDER", ROOT / ".venv" / "peers"))


def lags_of(rows: list[list[float]]) -> np.ndarray:
    """Seconds by which each decision was behind its frame."""
    number, came, done = np.array(rows, float).T
    beginning = (came - number / FPS).min()
    lags: np.ndarray = done - number / FPS - beginning
    return lags


def measure_lag(seconds: float, others: float, source: Path, folder: Path) -> None:
    sys.path.insert(0, str(ROOT))
    from tests.peers.programs import rtsp_server

    clip = folder / "clip.mp4"
    make_clip(min(max(seconds, others) + 90, 2**BITS / FPS - 1), source, clip)
    medians = {}
    print(f"lag behind the frame; the lab for {seconds:g} s, the others for {others:g} s each")
    with rtsp_server() as server:
        server.do(f"clip {clip}")
        for side in SIDES:
            out = folder / side.replace(" ", "-") / "rows.json"
            out.parent.mkdir()
            if side == "detstream" and not (peers() / "detstream").is_dir():
                print(f"{side:>10}: not in {peers()}; make .venv/peers/ready")
                continue
            words = [sys.executable, __file__, "--side", side, "--url", f"{server.url}/clip"]
            spent = str(seconds if side == "lab" else others)
            print(f"{side:>10}: begins at load {os.getloadavg()[0]:.1f}", flush=True)
            subprocess.run(
                [*words, "--out", str(out), "--seconds", spent], check=True,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
            )  # fmt: skip
            lags = lags_of(json.loads(out.read_text()))
            fifth = max(1, len(lags) // 5)
            growth = np.median(lags[-fifth:]) - np.median(lags[:fifth])
            medians[side] = float(np.median(lags))
            print(
                f"{side:>10}: median {medians[side]:6.2f}  95 % {np.quantile(lags, 0.95):6.2f}  "
                f"grows by {growth:6.2f}  {len(lags)} decisions", flush=True,
            )  # fmt: skip
    for side in medians:
        if side != "lab":
            print(f"{side} / lab: {medians[side] / medians['lab']:.1f}")


# 30 days of a log


def write_log(folder: Path, samples: int, kill_at: int | None) -> None:
    """Go on with the log; at a sample the process kills itself, with some that were not flushed."""
    from lab.detection import Detections
    from lab.score_log.writer import ScoreLogWriter

    chance = np.random.default_rng(1)
    box = np.array([[10, 20, 110, 220]], np.float32)
    one = Detections(["deer"], np.array([0.7], np.float32), box)
    nothing = Detections()
    manifest = {"run_id": "bench", "labels": ["deer"], "recipe": {}}
    # A kill of the process loses nothing that was written; to wait for the disk takes minutes.
    with ScoreLogWriter(folder, manifest, is_durable=False) as writer:
        last_us = writer.last_pts_us()
        first = 0 if last_us is None else last_us // SAMPLE_US + 1
        has_box = chance.random(samples) < 0.05
        compactions = []

        def compact() -> None:
            begun = time.process_time()
            writer.compact()
            compactions.append(time.process_time() - begun)

        for i in range(first, samples):
            writer.add_sample(i, i * SAMPLE_US, one if has_box[i] else nothing, None, 1.7e9 + 2 * i)
            if i % 300 == 299:
                writer.flush()
            if i % DAY == DAY - 1 or (i % HOUR == HOUR - 1 and samples - i < DAY):
                compact()
            if i == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        writer.flush()
        compact()
    print(
        f"compacted {len(compactions)} times since the kill, in {max(compactions):.2f} s of a "
        f"processor at most, at last in {compactions[-1]:.2f} s"
    )


def measure_log(days: float, folder: Path) -> None:
    from lab.score_log.score_log import read_log

    samples, log = int(days * 24 * HOUR), folder / "log"
    kill_at = samples // 2 + 450  # half of a flush is lost, and no more
    words = [sys.executable, __file__, "--log", str(log), "--samples", str(samples)]
    began = time.monotonic()
    killed = subprocess.run([*words, "--kill-at", str(kill_at)], check=False)
    assert killed.returncode == -signal.SIGKILL
    kept = len(read_log(log).pts_us)
    assert kept == (kill_at + 1) // 300 * 300, (kept, kill_at)
    subprocess.run(words, check=True)
    spent = time.monotonic() - began
    times, processor = [], []
    for _ in range(5):
        began, ticks = time.perf_counter(), time.process_time()
        found = read_log(log)
        times.append(time.perf_counter() - began)
        processor.append(time.process_time() - ticks)
    assert np.array_equal(found.pts_us, np.arange(samples) * SAMPLE_US)
    size_mb = sum(file.stat().st_size for file in log.iterdir()) / 1e6
    print(
        f"log of {days:g} days, {samples:,} samples, {size_mb:.1f} MB: read in "
        f"{np.median(times):.2f} s ({np.median(processor):.2f} s of a processor); written, killed "
        f"and gone on with in {spent:.0f} s; {kept:,} samples were there after the kill"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="of each, or of the lab")
    parser.add_argument("--others", type=float, help="seconds of each other way")
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--clip", type=Path)
    for name in ("side", "url", "out", "log"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    for name in ("samples", "kill-at"):
        parser.add_argument(f"--{name}", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        run_side(args.side, args.url, args.out, args.seconds)
        return
    if args.log:
        write_log(Path(args.log), args.samples, args.kill_at)
        return
    source = args.clip or ROOT / "sample_videos" / "cat_then_person.mp4"
    with tempfile.TemporaryDirectory() as name:
        measure_log(args.days, Path(name))
        measure_lag(args.seconds, args.others or args.seconds, source, Path(name))


if __name__ == "__main__":
    main()
