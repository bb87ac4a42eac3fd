"""Clips by workers over HTTP (`lab worker --queue`) against the same clips by `lab batch` here.

    python benchmarks/bench_remote_queue.py [--clips 24] [--seconds 10] [--workers 2]
        [--detector yolo] [--repeats 1]

Both sides have so many workers, a share of the cores each, on this machine: what differs is that
clips are fetched, and parts of logs sent, over HTTP. Per clip, without the start: all clips less
the first ones, with models loaded.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from benchmarks.bench_batch import make_clips
from lab.jobs.batch.work import Work
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import Stamp

LAB = [sys.executable, "-m", "lab"]
LIMIT_S = 3600.0


def ended(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def waited(queue: JobQueue, count: int) -> None:
    """Until so many jobs are done."""
    end = time.monotonic() + LIMIT_S
    while (counts := queue.counts())["done"] < count:
        if counts["failed"] or time.monotonic() > end:
            sys.exit(f"not all clips were analysed: {counts}; lab jobs list says why")
        time.sleep(0.02)


def over_http(clips: list[Path], few: int, workers: int, detector: str) -> float:
    """Seconds for each clip beyond the first few."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Path(folder)
        store = place / "store"
        threads = max(1, (os.cpu_count() or 1) // workers)
        env = {
            **os.environ,
            "LAB_MEDIA_ROOTS": str(clips[0].parent),
            "LAB_LOCAL_WORKERS": "0",
            "OMP_NUM_THREADS": str(threads),
        }
        one = {"name": detector, "detector": {"name": detector}, "interval_s": 1.0}
        what = Work([one], is_app=True).to_dict()
        queue = stack.enter_context(JobQueue(store, is_app=True))

        def put(some: list[Path]) -> None:
            queue.add("app-1", what, [(str(clip), Stamp.of(clip)) for clip in some])

        put(clips[:few])
        command = [*LAB, "serve", "--port", "0", "--store", str(store), "--json"]
        app = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        stack.callback(ended, app)
        assert app.stdout is not None
        told = json.loads(app.stdout.readline())
        env["LAB_TOKEN"] = told["token"]
        for i in range(workers):
            command = [*LAB, "worker", "--queue", told["address"], "--clips", str(place / str(i))]
            stack.callback(ended, subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL))
        waited(queue, few)
        begun = time.perf_counter()
        put(clips[few:])
        waited(queue, len(clips))
        return (time.perf_counter() - begun) / (len(clips) - few)


def here(clips: list[Path], few: int, workers: int, detector: str) -> float:
    """The same by a batch."""

    def batch(some: list[Path]) -> float:
        with tempfile.TemporaryDirectory() as store:
            command = [*LAB, "batch", *map(str, some), "--every", "1", "--detector", detector]
            command += ["--workers", str(workers), "--store", store, "--json"]
            begun = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            spent = time.perf_counter() - begun
        counts = json.loads(done.stdout)["counts"]
        assert counts.get("done") == len(some), counts
        return spent

    return (batch(clips) - batch(clips[:few])) / (len(clips) - few)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--clips", type=int, default=24)
    p.add_argument("--seconds", type=int, default=10, help="of each clip")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--detector", default="yolo")
    p.add_argument("--repeats", type=int, default=1)
    args = p.parse_args()
    few = 4 * args.workers  # each worker has loaded its model by then
    if args.clips < 2 * few:
        p.error(f"--clips must be {2 * few} or more for {args.workers} workers")
    with tempfile.TemporaryDirectory() as folder:
        clips = make_clips(Path(folder, "clips"), args.clips, args.seconds, "640x360")
        asked = (clips, few, args.workers, args.detector)
        times = [(over_http(*asked), here(*asked)) for _ in range(args.repeats)]
    far, near = (sorted(each)[len(each) // 2] for each in zip(*times, strict=True))
    print(f"{args.workers} workers, {args.clips} clips of {args.seconds} s, {args.detector}")
    print(f"  over HTTP  {1000 * far:6.0f} ms a clip")
    print(f"  lab batch  {1000 * near:6.0f} ms a clip; ratio {far / near:.2f}")


if __name__ == "__main__":
    main()
