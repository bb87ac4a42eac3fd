"""Feeds side by side with one shared model: whether any falls behind, memory, processor time.

    python benchmarks/bench_feeds.py [--feeds 8] [--minutes 10] [--every 1] [--cores 2]

Each feed plays a 640x360, 25 fps H.264 clip at its own pace, for ever, through a reader process of
its own; all packets are kept. The default YOLO11 n weights, 640 px, ONNX Runtime. A feed has fallen
behind where it skipped samples, or its lag (the age of a frame when it was decided on) came to more
than a sampling interval and an inference. On a machine that others use as well all do; what tells
then is the processor time that all samples together would have taken. Memory is that of the
watching process and all readers, proportional set size where the system tells it.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

CLIP = Path(__file__).parent.parent / "sample_videos" / "cat_then_person.mp4"
LOOK_S = 1.0


def make_clip(folder: Path) -> Path:
    out = folder / "clip.mp4"
    command = ["ffmpeg", "-v", "error", "-y", "-stream_loop", "-1", "-i", str(CLIP), "-t", "60"]
    command += ["-vf", "scale=640:360,fps=25", "-an", "-pix_fmt", "yuv420p"]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-g", "50", str(out)]
    subprocess.run(command, check=True)
    return out


def memory_bytes(processes: list[psutil.Process]) -> int:
    total = 0
    for process in processes:
        try:
            full = process.memory_full_info()
            total += getattr(full, "pss", full.rss)
        except psutil.Error:
            continue
    return total


class Usage:
    """Processor time and memory of this process and its readers, since it was made."""

    def __init__(self) -> None:
        self._me = psutil.Process()
        self._seconds: dict[int, float] = {}
        self._before = self._read()
        self.memory: list[tuple[float, int, int]] = []
        self._begun = time.monotonic()

    def look(self) -> None:
        mine, readers = memory_bytes([self._me]), memory_bytes(self._me.children(recursive=True))
        self.memory.append((time.monotonic() - self._begun, mine, readers))
        self._read()

    def seconds(self) -> tuple[float, float]:
        """Of this process, and of all readers."""
        now = self._read()
        mine = now[self._me.pid] - self._before[self._me.pid]
        readers = sum(
            spent - self._before.get(pid, 0.0) for pid, spent in now.items() if pid != self._me.pid
        )
        return mine, readers

    def _read(self) -> dict[int, float]:
        """A reader that has ended keeps what it used."""
        for process in (self._me, *self._me.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            self._seconds[process.pid] = times.user + times.system
        return dict(self._seconds)


def all_live(watching) -> bool:
    feeds = watching.status()["feeds"].values()
    states = {feed["state"] for feed in feeds}
    assert "failed" not in states, [feed["reason"] for feed in feeds]
    return states == {"live"} and all(feed["analysed"] > 2 for feed in feeds)


def take_events(watching) -> None:
    """As whoever watches does; those that nobody takes wait in memory, within limits."""
    for _ in watching:
        continue


def measure(watching, minutes: float) -> tuple[dict, dict, dict, Usage, float]:
    """Status before and after, lags by feed, usage, seconds."""
    end = time.monotonic() + 120
    while not all_live(watching):
        assert time.monotonic() < end, watching.status()["feeds"]
        time.sleep(0.2)
    threading.Thread(target=take_events, args=[watching], daemon=True).start()
    before, usage, begun = watching.status()["feeds"], Usage(), time.monotonic()
    lags: dict[str, list[float]] = {feed_id: [] for feed_id in before}
    while time.monotonic() - begun < minutes * 60:
        time.sleep(LOOK_S)
        usage.look()
        for feed_id, feed in watching.status()["feeds"].items():
            if feed["lag_s"] is not None:
                lags[feed_id].append(feed["lag_s"])
    seconds = time.monotonic() - begun
    return before, watching.status()["feeds"], lags, usage, seconds


def report(before, after, lags, usage: Usage, seconds: float, every_s: float) -> bool:
    print(f"\n{'feed':10} {'samples':>8} {'expected':>8} {'skipped':>8} {'failed':>7} "
          f"{'reconnects':>10} {'lag s':>7} {'most':>7}")  # fmt: skip
    are_behind = []
    for feed_id, feed in after.items():
        then = before[feed_id]
        analysed, skipped, failed = (feed[k] - then[k] for k in ("analysed", "skipped", "failed"))
        expected, most = seconds / every_s, max(lags[feed_id])
        is_behind = skipped > 0 or most > every_s + (feed["inference_s"] or 0)
        are_behind.append(is_behind or abs(analysed - expected) > 0.01 * expected + 2)
        print(
            f"{feed_id:10} {analysed:8} {expected:8.0f} {skipped:8} {failed:7} "
            f"{feed['reconnects']:10} {statistics.median(lags[feed_id]):7.3f} {most:7.3f}"
            f"{'  behind' if are_behind[-1] else ''}"
        )
    mine, readers = usage.seconds()
    share = sum(after[f]["analysed"] - before[f]["analysed"] for f in after) / (
        seconds / every_s * len(after)
    )
    count = len(after)
    print(f"\nfallen behind: {sum(are_behind)} of {count} feeds, in {seconds:.0f} s")
    print(f"processor: {(mine + readers) / seconds:.2f} cores; a feed: "
          f"{100 * readers / seconds / count:.1f} % of a core for its reader, "
          f"{100 * mine / seconds / count:.1f} % for model, log and sightings")  # fmt: skip
    print(f"with no sample left out: {(mine / share + readers) / seconds:.2f} cores")
    print_memory(np.array(usage.memory))
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"load of the machine: {load} ({os.cpu_count()} cores)")
    return not any(are_behind)


def print_memory(rows: np.ndarray) -> None:
    """rows: seconds, bytes of the watching process, bytes of all readers."""
    print(f"\n{'minute':>7} {'watching MB':>12} {'readers MB':>11}")
    shown = rows[np.linspace(0, len(rows) - 1, 11).astype(int)]
    for seconds, mine, readers in shown:
        print(f"{seconds / 60:7.1f} {mine / 2**20:12.0f} {readers / 2**20:11.0f}")
    late = rows[rows[:, 0] > rows[-1, 0] / 2]
    slope = np.polyfit(late[:, 0] / 60, late[:, 1:].sum(axis=1) / 2**20, 1)[0]
    print(f"in the second half {slope:+.2f} MB a minute")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--feeds", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between samples")
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # before ONNX Runtime counts them
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    import lab

    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder))
        feeds = [
            {
                "id": f"feed{i}",
                "source": {"type": "file", "path": str(clip), "loop": True},
                "detector": {"type": "yolo", "labels": ["cat", "person"]},
                "every_s": args.every,
            }
            for i in range(args.feeds)
        ]
        with lab.watch(feeds=feeds, store=Path(folder) / "store") as watching:
            found = measure(watching, args.minutes)
        report(*found, args.every)


if __name__ == "__main__":
    main()
