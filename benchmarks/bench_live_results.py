"""How long after a sample is decided `/ws/live` tells it, to one subscriber and to many.

    python benchmarks/bench_live_results.py [--subscribers 1 100] [--seconds 20]

A feed watches a clip with the detector `visual`, a sample each 0.1 s, in a process of its own; the
server is one, too. From the time at which the frame was received (`wall_utc`), decoding and
deciding included, to that at which a client has the message.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

WATCH = """
import sys, time
from lab.feeds.feed import Feed
from lab.feeds.watcher import Watcher
from lab.store.store import Store
source = {"type": "file", "path": sys.argv[1], "loop": True}
feed = Feed(feed_id="bench", source=source, detector="visual",
            detector_settings={"labels": ["brightness"]}, every_s=0.1)
with Watcher([feed], {}, Store(sys.argv[2])):
    sys.stdin.read()
"""
SERVE = """
import sys
from lab.app.server.state import AppState
from lab.config import Config
from lab.limits import Limits
from pathlib import Path
from tests.app.live_server import served
limits = Limits(max_clients=2000, max_clients_per_token=2000)
with served(AppState(Config(store=Path(sys.argv[1]), limits=limits))) as address:
    print(address, flush=True)
    sys.stdin.read()
"""


def process(code: str, *words: str) -> psutil.Popen:
    command = [sys.executable, "-c", code, *words]
    return psutil.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def follow(address: str, seconds: float, late_s: list[float]) -> None:
    from websockets.asyncio.client import connect

    from tests.guarded import BEARER

    async with connect(address, additional_headers=BEARER) as socket:
        await socket.send(json.dumps({"type": "subscribe", "feed_id": "bench"}))
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            try:
                text = await asyncio.wait_for(socket.recv(), left_s)
            except TimeoutError:
                return
            now = time.time()
            said = json.loads(text)
            if said["type"] == "analysis_update" and until - time.monotonic() < seconds - 5:
                for sample in said["samples"]:
                    late_s.append(now - datetime.fromisoformat(sample["wall_utc"]).timestamp())


async def measure(address: str, count: int, seconds: float, server: psutil.Popen) -> None:
    late_s: list[float] = []
    before = sum(server.cpu_times()[:2])
    await asyncio.gather(*(follow(address, seconds, late_s) for _ in range(count)))
    spent_s = sum(server.cpu_times()[:2]) - before
    if not late_s:
        raise SystemExit("nothing was told")
    median, high = np.percentile(late_s, [50, 99]) * 1000
    print(
        f"{count} subscribers: median {median:.0f} ms, 99th percentile {high:.0f} ms after the "
        f"frame came ({len(late_s)} samples); server {100 * spent_s / seconds:.0f} % of a core"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--seconds", type=float, default=20.0)
    args = parser.parse_args()
    clip = ROOT / "sample_videos" / "cat_then_person.mp4"
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        watching, server = process(WATCH, str(clip), store), process(SERVE, store)
        try:
            address = server.stdout.readline().strip()
            status = Path(store) / "feeds" / "status.json"
            while not (status.exists() and '"live"' in status.read_text()):
                time.sleep(0.1)
            for count in args.subscribers:
                asyncio.run(measure(address, count, args.seconds, server))
        finally:
            for one in (server, watching):
                one.stdin.close()
                one.wait(60)


if __name__ == "__main__":
    main()
