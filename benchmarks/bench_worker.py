"""What it costs to have a picture analysed by a worker (`lab worker`) instead of here.

    python benchmarks/bench_worker.py [--pictures N]

Overhead: the round trip of one 640 x 640 picture through `POST /ai/analyze` on loopback (JPEG in
base64, as the detector `remote` sends it, encoding included), less what the model itself took in
the worker, by its `/metrics`. Median over the pictures, with YOLO11 n, one at a time.

Throughput: pictures a second through `/ai/analyze` and through `/ai/batch` (the values as they
are), 8 at a time, from one client; once with a detector that does nothing, so that only the way
there and back counts, once with YOLO11 n, where the model is what takes the time.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SIDE_PX = 640


class Nothing:
    """A detector that finds nothing, at once."""

    batch_size = 8

    def detect(self, frames: Any) -> list[Any]:
        from lab.detection import Detections

        return [Detections() for _ in frames]


def pictures(count: int) -> list[Any]:
    """Squares out of the sample clip."""
    import cv2

    from lab.frame import Frame
    from lab.video.sources.file import FileSource

    with FileSource(ROOT / "sample_videos" / "cat_then_person.mp4") as source:
        shown = [cv2.resize(one.image_bgr, (SIDE_PX, SIDE_PX)) for one in source.frames(0.5)]
    return [Frame(shown[i % len(shown)], i, i, 0.0) for i in range(count)]


def model_s(url: str) -> float:
    """Seconds that models took in all, as the worker counts them."""
    import requests
    from prometheus_client.parser import text_string_to_metric_families

    text = requests.get(f"{url}/metrics", timeout=10).text
    return sum(
        one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name == "sighting_lab_inference_duration_seconds_sum"
    )


def overhead(url: str, shown: list[Any]) -> None:
    from lab.detectors.services.remote import Remote

    remote = Remote(url=url, batch_size=1)
    remote._takes_batches = False
    remote.detect(shown[:3])
    spent = []
    for frame in shown:
        before, begun = model_s(url), time.perf_counter()
        remote.detect([frame])
        whole = time.perf_counter() - begun
        spent.append((whole - (model_s(url) - before)) * 1000)
    remote.close()
    print(
        f"overhead of /ai/analyze, {SIDE_PX} px, {len(shown)} pictures: median "
        f"{np.median(spent):.1f} ms, 95 % {np.quantile(spent, 0.95):.1f} ms"
    )


def throughput(name: str, url: str, shown: list[Any]) -> None:
    from lab.detectors.services.remote import Remote

    rates = {}
    for way, image_format in (("analyze", "jpeg"), ("batch", "bgr")):
        remote = Remote(url=url, batch_size=8, image_format=image_format)
        remote._takes_batches = way == "batch"
        remote.detect(shown[:8])
        begun = time.perf_counter()
        for start in range(0, len(shown), 8):
            found = remote.detect(shown[start : start + 8])
            assert not any(one.error for one in found), found
        rates[way] = len(shown) / (time.perf_counter() - begun)
        remote.close()
    print(
        f"{name}: /ai/analyze {rates['analyze']:.0f}, /ai/batch {rates['batch']:.0f} pictures a "
        f"second; batch / analyze: {rates['batch'] / rates['analyze']:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=160)
    args = parser.parse_args()
    from tests.peers.worker import running_worker

    shown = pictures(args.pictures)
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    path = {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"}
    with running_worker("--detector", "yolo") as worker:
        overhead(worker.url, shown[:80])
        throughput("YOLO11 n", worker.url, shown)
    nothing = ("--detector", "python", "--set", "target=bench_worker:Nothing")
    with running_worker(*nothing, env=path) as worker:
        throughput("a detector that does nothing", worker.url, shown)


if __name__ == "__main__":
    main()
