"""Two Ray nodes of one core against one, for work that is not bound by the cores; and what the
cluster costs beside the work.

    python benchmarks/bench_ray.py [--clips N] [--answer-s S]

Each sample is sent to a service that takes a while to answer. Nodes, service and driver are on this
machine. Two figures come out:

- everything: from the call of lab.batch to its frame, with connecting, a worker process a node,
  loading the detector, the first and the last clip, and leaving. Starting the nodes themselves
  (ray start) is not counted, for a cluster is there before.
- at work: pictures a second without the first and last tenth.

With few clips the start is a large part of everything: --clips 24 takes a minute a node. Needs
ray: pip install "sighting-lab[ray]".
"""

import argparse
import json
import os
import resource
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import psutil

import lab

SAMPLES = 10
SMALL = {"num_cpus": 1, "object_store_memory": 150_000_000}


def write_clips(folder, count):
    """Clips of SAMPLES seconds, each another video."""
    for i in range(count):
        with av.open(str(folder / f"{i:04d}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for n in range(SAMPLES * 10):
                picture = np.full((48, 64, 3), (i * 7 + n) % 256, np.uint8)
                picture[: i % 48 + 1] = 255 - i % 200
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            container.mux(stream.encode())


@contextmanager
def service(answer_s):
    """A worker as the detector `remote` knows it, which takes so long for each picture."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.answer({"status": "healthy", "model": "sleep", "labels": ["cat"]})

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(time.monotonic())
            time.sleep(answer_s)
            self.answer({"detections": []})

        def answer(self, content):
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


@contextmanager
def nodes(count):
    """A cluster of a head without cores and so many nodes of one core, at rest; its address."""
    import ray
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="r")
    head = {**SMALL, "num_cpus": 0, "temp_dir": folder, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(count):
        cluster.add_node(**SMALL)
    cluster.wait_for_nodes()
    wait_until_idle()
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def wait_until_idle(at_most_s=60):
    """Processes of the nodes go on starting for some seconds after the nodes are known."""
    own, until = psutil.Process(), time.monotonic() + at_most_s
    while time.monotonic() < until:
        before = cpu_of(own)
        time.sleep(2)
        if cpu_of(own) - before < 0.2:
            return


def cpu_of(process):
    """Seconds of processor time of a process and all that it started."""
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system
    return total


def run(folder, engine, settings, url):
    """Seconds of everything, and of the driver's CPU for each clip."""
    begun, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    with tempfile.TemporaryDirectory() as store:
        frame = lab.batch(
            folder, detector="remote", url=url, batch_size=1, every_s=1, store=store,
            engine=engine, engine_settings=settings, progress=False,
        )  # fmt: skip
    assert set(frame.state) == {"done"}, frame
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    return time.monotonic() - begun, used / len(frame)


def steady_rate(asked):
    """Pictures a second, without the first and last tenth, in which nodes start and run dry."""
    times = sorted(asked)
    a, b = len(times) // 10, len(times) - len(times) // 10 - 1
    return (b - a) / (times[b] - times[a])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--clips", type=int, default=24)
    options.add_argument("--answer-s", type=float, default=0.25)
    args = options.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as place, service(args.answer_s) as (url, asked):
        write_clips(Path(place), args.clips)
        for count in (1, 2):
            asked.clear()
            with nodes(count) as address:
                begun = time.monotonic()
                whole_s, cpu_s = run(place, "ray", {"address": address}, url)
                first_s, last_s = min(asked) - begun, begun + whole_s - max(asked)
            found[count] = (whole_s, steady_rate(asked), cpu_s)
            print(
                f"{count} node{'s' if count > 1 else ''}: {args.clips} clips in {whole_s:.1f} s, "
                f"of which {first_s:.1f} s to the first picture and {last_s:.1f} s after the last; "
                f"{found[count][1]:.2f} pictures/s once at work, driver {cpu_s * 1e3:.0f} ms of "
                f"CPU a clip (load {os.getloadavg()[0]:.1f})",
                flush=True,
            )
    ideal = 1 / args.answer_s
    print(
        f"two nodes against one: {found[1][0] / found[2][0]:.2f} times as fast with everything "
        f"counted but ray start (asked: 1.8), {found[2][1] / found[1][1]:.2f} times the pictures "
        f"a second at work; one node reaches {found[1][1] / ideal:.2f} of a service that is "
        "always asked"
    )


if __name__ == "__main__":
    main()
