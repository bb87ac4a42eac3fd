"""Detecting while a clip is uploaded, beside uploading it first and analysing it then.

    python benchmarks/bench_uploads.py [--rate 5] [--megabytes 200] [--weights yolo26n.pt]

A server with the app's routes runs in a process of its own, and the client sends at `--rate` MB/s.
First a fast-start clip: how long after its first second has arrived the first sample is told, with
and without the time of one inference; with a worker that has loaded the model, and for the other
side with one that is as warm. Then a clip of `--megabytes` (2000 for what is promised): the memory
of the server and its workers, at a tenth of the upload and at its end, and its peak. `--weights`:
of YOLO in the models folder; without it the detector `visual` is timed.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
TOKEN = "a-token-of-a-benchmark"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PIECE = 64 << 10
MIB = 1 << 20


def serve(folder: str) -> None:
    """The routes of the app on a free port, which is the first line of its output."""
    import socket

    import uvicorn
    from starlette.applications import Starlette

    from lab.app.server.guard import Guard
    from lab.app.server.routes import routes
    from lab.app.server.state import AppState
    from lab.config import Config

    models = {"models": Path(os.environ["LAB_MODELS"])} if os.environ.get("LAB_MODELS") else {}
    state = AppState(Config(store=Path(folder) / "store", **models))
    ours = routes(state)
    app = Guard(Starlette(routes=ours), token=TOKEN, routes=ours)
    taken = socket.create_server(("127.0.0.1", 0))
    print(taken.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run([taken])


class Server:
    def __init__(self, folder: Path) -> None:
        command = [sys.executable, __file__, "--serve", str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def put(self, path: str, clip: Path, rate: float, on_sent=lambda sent: None) -> dict:
        """Send a file at so many bytes a second."""
        size, begun, sent = clip.stat().st_size, time.monotonic(), 0
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.putrequest("PUT", path)
        for name, value in {**BEARER, "Content-Length": str(size)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        with clip.open("rb") as file:
            while data := file.read(PIECE):
                connection.send(data)
                sent += len(data)
                on_sent(sent)
                time.sleep(max(0.0, begun + sent / rate - time.monotonic()))
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        return json.loads(text)

    def events(self, upload_id: str):
        """Events of an upload, with when each came."""
        path = f"/api/uploads/{upload_id}/events"
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
            connection.request("GET", path, headers=BEARER)
            answer = connection.getresponse()
            if answer.status == 200:
                break
            answer.read()
            time.sleep(0.02)
        for line in answer:
            if line.startswith(b"data: "):
                yield time.monotonic(), json.loads(line[6:])

    def memory(self) -> tuple[float, float]:
        """MiB of the server, and of its workers together."""
        import psutil

        here = psutil.Process(self.process.pid)
        others = [one.memory_info().rss for one in here.children(recursive=True)]
        return here.memory_info().rss / MIB, sum(others) / MIB

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def bytes_of_first_second(clip: Path) -> int:
    import av

    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        ends = [
            (packet.pos or 0) + packet.size
            for packet in container.demux(stream)
            if packet.size and packet.pts is not None and packet.pts * stream.time_base <= 1
        ]
    return max(ends)


def asked(args: argparse.Namespace) -> tuple[str, dict]:
    detector = {"name": "visual", "labels": ["brightness"]}
    if args.weights:
        detector = {"name": "yolo", "weights": args.weights}
    one = {"name": "timed", "detector": detector, "interval_s": 0.2}
    return "analyses=" + quote(json.dumps([one])), detector


def inference_s(clip: Path, detector: dict) -> float:
    """The median time of one picture of the clip."""
    from lab.detectors.make import make_detector
    from lab.video.sources.file import FileSource

    made = make_detector(**detector)
    made.reset()
    frames = [frame for frame, _ in zip(FileSource(clip).frames(0.2), range(12), strict=False)]
    times = []
    for frame in frames:
        begun = time.perf_counter()
        made.detect([frame])
        times.append(time.perf_counter() - begun)
    return statistics.median(times[2:])


def first_sample(server: Server, clip: Path, args: argparse.Namespace, upload_id: str) -> float:
    """Seconds from the first second's arrival to the first sample that is told of it."""
    needed, moments = bytes_of_first_second(clip), {}
    query, _ = asked(args)

    def follow() -> None:
        for came, event in server.events(upload_id):
            if event["type"] == "sample":
                moments.setdefault("sample", came)
            if event["type"] == "end":
                return

    follower = threading.Thread(target=follow)
    follower.start()

    def on_sent(sent: int) -> None:
        if sent >= needed:
            moments.setdefault("second", time.monotonic())

    path = f"/api/uploads/{upload_id}?name={clip.name}&{query}"
    server.put(path, clip, args.rate * 1e6, on_sent)
    follower.join()
    return moments["sample"] - moments["second"]


def then_analysed(server: Server, clip: Path, args: argparse.Namespace, folder: Path) -> float:
    """The same where the analysis begins when all has arrived, by a worker that is as warm."""
    from lab.jobs.local import LocalEngine

    needed, moments = bytes_of_first_second(clip), {}
    _, detector = asked(args)
    one = {"name": "timed", "detector": detector, "interval_s": 0.2}
    engine = LocalEngine(trust=True)

    def analyse(path: str) -> float:
        job = engine.submit(
            "analyze", "timed", path=path, analyses=[one], store=str(folder / "store")
        )
        while job.is_active and not job.done:
            time.sleep(0.002)
        found = time.monotonic()
        job.finished.wait()
        assert job.state == "done", job.error
        return found

    try:
        analyse(str(clip))

        def on_sent(sent: int) -> None:
            if sent >= needed:
                moments.setdefault("second", time.monotonic())

        path = server.put(f"/api/uploads/{clip.name}", clip, args.rate * 1e6, on_sent)["path"]
        return analyse(path) - moments["second"]
    finally:
        engine.close()


def large_clip(folder: Path, megabytes: int) -> Path:
    """MJPEG in Matroska, a second of which has some 10 MB."""
    piece, clip = folder / "piece.mkv", folder / "large.mkv"
    look = "testsrc2=size=1280x720:rate=30:duration=3,noise=alls=40:allf=t"
    encode = ["-f", "lavfi", "-i", look, "-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *encode, str(piece)], check=True)
    times = max(0, megabytes * MIB // piece.stat().st_size)
    copy = ["-stream_loop", str(times), "-i", str(piece), "-c", "copy", str(clip)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *copy], check=True)
    return clip


def memory(server: Server, path: str, clip: Path, rate: float) -> dict[str, float]:
    """MiB of the server and of its workers: at a tenth of the upload, at its end, the peak."""
    seen: list[tuple[float, float]] = []
    size, over = clip.stat().st_size, threading.Event()
    sent_now = [0]
    marks: dict[str, float] = {}

    def watch() -> None:
        while not over.wait(0.2):
            now = server.memory()
            seen.append(now)
            if sent_now[0] > size / 10:
                marks.setdefault("tenth", sum(now))

    watching = threading.Thread(target=watch)
    watching.start()
    server.put(path, clip, rate, lambda sent: sent_now.__setitem__(0, sent))
    marks["end"] = sum(server.memory())
    over.set()
    watching.join()
    peak = max(sum(one) for one in seen)
    return {**marks, "peak": peak, "server": max(one[0] for one in seen)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--serve")
    parser.add_argument("--rate", type=float, default=5.0)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--weights")
    parser.add_argument("--loops", type=int, default=9, help="how often the clip is repeated")
    parser.add_argument("--clip", type=Path, default=ROOT / "sample_videos/cat_then_person.mp4")
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        clip = folder / "fast.mp4"
        again = ["-stream_loop", str(args.loops), "-i", str(args.clip)]
        how = ["-c", "copy", "-movflags", "+faststart", str(clip)]
        subprocess.run(["ffmpeg", "-v", "error", *again, *how], check=True)
        server = Server(folder)
        try:
            one_s = inference_s(clip, asked(args)[1])
            first_sample(server, clip, args, "warming")
            ours = first_sample(server, clip, args, "timed")
            then = then_analysed(server, clip, args, folder / "other")
            load, megabytes = os.getloadavg()[0], clip.stat().st_size / 1e6
            print(f"{megabytes:.1f} MB at {args.rate:g} MB/s; load {load:.1f}")
            print(f"first sample after the first second: {ours:.3f} s, one inference {one_s:.3f} s")
            print(
                f"uploaded first, then analysed: {then:.3f} s; ratio {then / max(ours, 1e-3):.1f}"
            )
            large = large_clip(folder, args.megabytes)
            fast = max(args.rate * 1e6, 20e6) if args.megabytes > 500 else args.rate * 1e6
            query, _ = asked(args)
            plain = memory(server, "/api/uploads/plain.mkv", large, fast)
            while_it_comes = memory(
                server, f"/api/uploads/large?name=large.mkv&{query}", large, fast
            )
            print(f"{large.stat().st_size / 1e6:.0f} MB: memory in MiB of the server and workers")
            for name, found in (("upload alone", plain), ("while it comes", while_it_comes)):
                print(f"  {name}: " + ", ".join(f"{k} {v:.0f}" for k, v in found.items()))
            ratio = while_it_comes["end"] / while_it_comes.get("tenth", while_it_comes["end"])
            print(f"  end / tenth: {ratio:.2f}")
        finally:
            server.close()


if __name__ == "__main__":
    main()
