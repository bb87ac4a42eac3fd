"""What importing costs, and how large a worker gets.

    python benchmarks/bench_import.py [--clip CLIP] [--minutes N]

With a clip, a worker analyses it again and again for N minutes, to show that it stays flat.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from lab.jobs.local import LocalEngine

SAMPLE = Path(__file__).parent.parent / "sample_videos" / "cat_then_person.mp4"


def start_s(code):
    times = []
    for _ in range(9):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - begun)
    return sorted(times)[4]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--clip", type=Path, default=SAMPLE)
    options.add_argument("--minutes", type=float, default=0.5)
    args = options.parse_args()
    bare, lab = start_s("pass"), start_s("import lab")
    print(
        f"import lab: {lab * 1e3:.0f} ms, bare interpreter {bare * 1e3:.0f} ms, over it "
        f"{(lab - bare) * 1e3:.0f} ms"
    )
    ready = start_s("from lab.detectors.yolo.yolo import Yolo; Yolo()")
    print(f"process with the default detector loaded: {ready:.2f} s")
    engine, sizes, end = LocalEngine(), [], time.monotonic() + args.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end or not sizes:
            job = engine.submit(
                "analyze",
                "bench",
                path=str(args.clip),
                analyses=[{"detector": {"name": "yolo"}}],
                store=folder,
            )
            job.finished.wait()
            assert job.state == "done", job.error
            (worker,) = [c for c in psutil.Process().children() if "worker" in c.cmdline()]
            sizes.append(worker.memory_info().rss / 1e6)
        engine.close()
    print(
        f"worker after each of {len(sizes)} runs: first {sizes[0]:.0f} MB, last {sizes[-1]:.0f} "
        f"MB, most {max(sizes):.0f} MB"
    )


if __name__ == "__main__":
    main()
