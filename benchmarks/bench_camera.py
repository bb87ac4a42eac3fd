"""A virtual camera beside DrishtiStream's own design, each with 50 clients at 720p and 30 fps.

    python benchmarks/bench_camera.py [--minutes 1] [--clients 50] [--rate 30]

DrishtiStream's design is one loop that decodes, encodes, makes the message and sends it to each
client in turn, a second at most for each. Its rate is a whole number, as there: with `--rate
30000/1001` it is 29. The clients are in a process of their own and read no picture. It prints for
both how many pictures were handed over within 10 ms of their time in the sender, how far the
sender's clock had drifted from the video's at the end, and how long a client waited between two
pictures (99th percentile, and the longest); and the ratios.
"""

import argparse
import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from array import array
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
IN_TIME_S = 0.01
HEAD = 200  # bytes of a message that are looked at
PING = 0x89


def make_clip(folder: Path, rate: str) -> Path:
    """A sample clip, enlarged, with the noise of a real camera; JPEGs of about 150 KB."""
    clip, sample = folder / "clip.mp4", ROOT / "sample_videos" / "cat_then_person.mp4"
    look = f"scale=1280:720,fps={rate},noise=alls=8:allf=t"
    form = ["-c:v", "libx264", "-preset", "veryfast", "-g", "60", "-pix_fmt", "yuv420p"]
    command = ["ffmpeg", "-loglevel", "error", "-i", str(sample), "-vf", look, *form, str(clip)]
    subprocess.run(command, check=True)
    return clip


async def drishti(video: str, fps: int, seconds: float) -> None:
    """One loop for all: its port is the first line of its output, its figures the last one."""
    import cv2
    from websockets.asyncio.server import serve

    clients, late = set(), array("d")

    async def watch(connection):
        clients.add(connection)
        try:
            await connection.wait_closed()
        finally:
            clients.discard(connection)

    async with serve(watch, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        capture = cv2.VideoCapture(video)
        started = next_at = time.monotonic()
        frame_id = 0
        while time.monotonic() - started < seconds:
            is_there, image = capture.read()
            if not is_there:
                capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
                continue
            jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
            message = {
                "source": "DrishtiStream",
                "version": "v1.0",
                "frame_id": frame_id,
                "timestamp": time.time(),
                "fps": fps,
                "image": base64.b64encode(jpeg).decode(),
            }
            text = json.dumps(message)
            for connection in tuple(clients):
                late.append(time.monotonic() - next_at)
                try:
                    await asyncio.wait_for(connection.send(text), 1.0)
                except Exception:
                    clients.discard(connection)
            frame_id += 1
            next_at = started + frame_id / fps
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
    in_time = sum(one <= IN_TIME_S for one in late) / max(1, len(late))
    print(json.dumps({"in_time": in_time, "handed_over": len(late)}), flush=True)


class Watcher(asyncio.BufferedProtocol):
    """Reads the heads of WebSocket messages, and throws the pictures away."""

    room = bytearray(1 << 20)
    heads = re.compile(rb'"frame_id": ?(\d+), ?"timestamp": ?([\d.]+)')

    def __init__(self, host: str) -> None:
        self._host, self._is_open = host, False
        self._head, self._left = b"", 0
        self.at, self.ids, self.bytes = array("d"), array("q"), 0

    def connection_made(self, transport):
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /ws/stream HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def get_buffer(self, hint):
        return self.room

    def buffer_updated(self, count):
        now = time.time()
        if self._is_open:
            self._take(memoryview(self.room)[:count], now)
            return
        self._head += self.room[:count]
        if b"\r\n\r\n" in self._head:
            self._is_open = True
            rest, self._head = self._head.partition(b"\r\n\r\n")[2], b""
            self._take(memoryview(rest), now)

    def _take(self, data, now):
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left, at = self._left - step, at + step
                if not self._left:
                    self._note(now)
                continue
            piece = data[at : at + self._head_bytes() - len(self._head)]
            self._head, at = self._head + bytes(piece), at + len(piece)
            if len(self._head) == self._head_bytes():
                self._begin()

    def _head_bytes(self):
        if len(self._head) < 2:
            return 2
        return 2 + self._head[1] if self._head[0] == PING else HEAD

    def _begin(self):
        if self._head[0] == PING:  # what a client sends is masked, here with zeros
            self._transport.write(b"\x8a" + bytes([0x80 | self._head[1], 0, 0, 0, 0]))
            self._transport.write(self._head[2:])
            self._head = b""
            return
        assert self._head[:2] in (b"\x81\x7e", b"\x81\x7f"), self._head[:8]
        wide = 2 if self._head[1] == 126 else 8
        size = int.from_bytes(self._head[2 : 2 + wide], "big")
        self.bytes += size
        self._left = size - (HEAD - 2 - wide)

    def _note(self, now):
        self.at.append(now)
        self.ids.append(int(self.heads.search(self._head)[1]))
        self._head = b""

    def connection_lost(self, error):
        pass


async def watch_all(port: int, count: int, seconds: float, rate: Fraction) -> None:
    loop, watchers = asyncio.get_running_loop(), []
    for _ in range(count):
        watcher = Watcher(f"127.0.0.1:{port}")
        await loop.create_connection(lambda one=watcher: one, "127.0.0.1", port)
        watchers.append(watcher)
    await asyncio.sleep(seconds)
    gaps, drifts = array("d"), []
    for one in watchers:
        gaps.extend(b - a for a, b in zip(one.at, one.at[1:]))
        if len(one.at) > 20:
            # Early arrivals of both ends: what is late by chance is no drift.
            zero = min(at - i / rate for at, i in zip(one.at[:10], one.ids[:10]))
            end = min(at - i / rate for at, i in zip(one.at[-10:], one.ids[-10:]))
            drifts.append(end - zero)
    gaps = sorted(gaps)
    if not gaps or not drifts:
        raise SystemExit("hardly any picture came: the machine is too busy")
    total = sum(len(one.at) for one in watchers)
    result = {
        "pictures_a_second": total / count / seconds,
        "p99_gap_s": gaps[int(len(gaps) * 0.99)],
        "longest_gap_s": gaps[-1],
        "drift_s": max(drifts, key=abs),
        "kilobytes": sum(one.bytes for one in watchers) / total / 1e3,
    }
    print(json.dumps(result))


def child(*words: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, words)], stdout=subprocess.PIPE, text=True
    )


def watched(port: int, args: argparse.Namespace) -> dict:
    clients = child("--watch", port, "--clients", args.clients, "--seconds", args.minutes * 60,
                    "--rate", args.expected)  # fmt: skip
    return json.loads(clients.communicate()[0])


def busy_s(pid: int) -> float:
    import psutil

    whole = psutil.Process(pid)
    return sum(sum(p.cpu_times()[:2]) for p in [whole, *whole.children(recursive=True)])


def handed_over(port: int) -> tuple[float, float]:
    """How many were handed over, and how many of them in time."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    counts = dict(
        re.findall(r'lateness_seconds_bucket\{camera="camera",le="([^"]+)"\} (\S+)', text)
    )
    return float(counts["+Inf"]), float(counts[str(IN_TIME_S)])


def measure_lab(clip: Path, args: argparse.Namespace) -> dict:
    command = [sys.executable, "-m", "lab", "camera", "--video", str(clip), "--port", "0"]
    server = subprocess.Popen(
        [*command, "--stdin", "--json", "--log-level", "ERROR"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    port = int(json.loads(server.stdout.readline())["address"].rpartition(":")[2])
    before = busy_s(server.pid)
    args.expected = args.rate
    result = watched(port, args)
    result["cores"] = (busy_s(server.pid) - before) / (args.minutes * 60)
    whole, in_time = handed_over(port)
    server.stdin.close()
    server.wait()
    return {**result, "in_time": in_time / whole}


def measure_drishti(clip: Path, args: argparse.Namespace) -> dict:
    fps = int(Fraction(args.rate))
    server = child("--drishti", clip, "--rate", fps, "--seconds", args.minutes * 60 + 10)
    port = int(server.stdout.readline())
    before = busy_s(server.pid)
    args.expected = args.rate
    result = watched(port, args)
    result["cores"] = (busy_s(server.pid) - before) / (args.minutes * 60)
    return {**result, **json.loads(server.communicate()[0].splitlines()[-1])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rate", default="30")
    parser.add_argument("--watch", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--drishti", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.watch:
        asyncio.run(watch_all(args.watch, args.clients, args.seconds, Fraction(args.rate)))
        return
    if args.drishti:
        asyncio.run(drishti(args.drishti, int(args.rate), args.seconds))
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-camera-"))
    try:
        clip = make_clip(folder, args.rate)
        sides = {"lab": measure_lab(clip, args), "drishti": measure_drishti(clip, args)}
    finally:
        shutil.rmtree(folder)
    lab, other = sides["lab"], sides["drishti"]
    print(
        f"{args.clients} clients, 720p, {args.rate} fps, {args.minutes:g} min, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    rows = (
        ("in_time", "handed over within 10 ms", 100, "%"),
        ("drift_s", "drift over the run", 1e3, "ms"),
        ("p99_gap_s", "99th percentile of gaps at a client", 1e3, "ms"),
        ("longest_gap_s", "longest gap at a client", 1e3, "ms"),
        ("pictures_a_second", "pictures a second at a client", 1, ""),
        ("kilobytes", "a message", 1, "KB"),
        ("cores", "processor time of the sender", 1, "cores"),
    )
    for key, text, factor, unit in rows:
        ratio = lab[key] / other[key] if other[key] else float("inf")
        print(f"{text}: lab {lab[key] * factor:.2f} {unit}, DrishtiStream's design "
              f"{other[key] * factor:.2f} {unit}, ratio {ratio:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
