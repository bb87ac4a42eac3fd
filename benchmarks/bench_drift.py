"""What watching for drift costs a sample, and its comparisons a minute, in processor time.

python benchmarks/bench_drift.py
"""

import argparse
import time

import cv2
import numpy as np

from lab.feeds.drift import DriftWatch
from lab.feeds.drift_reference import ReferenceMaker
from lab.feeds.picture_figures import picture_figures

SIZES = {"360p": (360, 640), "720p": (720, 1280), "1080p": (1080, 1920), "4K": (2160, 3840)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=300)
    samples = parser.parse_args().samples
    cv2.setNumThreads(1)
    random = np.random.default_rng(0)
    for name, (height, width) in SIZES.items():
        images = [random.integers(0, 255, (height, width, 3), dtype=np.uint8) for _ in range(4)]
        maker = ReferenceMaker("noise")
        for at in range(1500):
            maker.take(at * 1_000_000, 0.0, picture_figures(images[at % 4]), {"fox": 0.5})
        watch = DriftWatch(maker.made())
        begun = time.process_time()
        for at in range(samples):
            watch.take(at * 2_000_000, 0.0, images[at % 4], {"fox": 0.5})
        spent_ms = (time.process_time() - begun) / samples * 1e3
        print(f"{name}: {spent_ms:.2f} ms a sample, every 2 s, with what is compared each minute")


if __name__ == "__main__":
    main()
