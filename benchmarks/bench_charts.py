"""How long each chart takes over a large store: to read what it counts, and to make it.

    python benchmarks/bench_charts.py [CLIPS] [--store FOLDER]

Processor time is what a busy machine does not change; the time that passed is given beside it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.study import make_study
from lab.charts import CHARTS, make_chart, read_chart_data
from lab.deployment import Deployment
from lab.store.store import Store

REPEATS = 3


def put_into_deployments(store: Store) -> None:
    """Each site of the study somewhere near Berlin, so that its sun is known."""
    media = store.all_media()
    sites = sorted({row["site"] for row in media})
    store.put_deployments(
        [
            Deployment(
                deployment_id=site,
                start_utc=datetime(2025, 1, 1),
                end_utc=datetime(2027, 1, 1),
                zone="Europe/Berlin",
                latitude=52 + i / 20,
                longitude=13 + i / 20,
            )
            for i, site in enumerate(sites)
        ]
    )
    store.join_clips({row["media_id"]: row["site"] for row in media})


def timed(make: Callable[[], Any]) -> tuple[float, float, Any]:
    """The least processor time and time of several goes, in ms, and what was made."""
    found = []
    for _ in range(REPEATS):
        cpu, wall = time.process_time(), time.perf_counter()
        made = make()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    return 1000 * min(c for c, _ in found), 1000 * min(w for _, w in found), made


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("clips", type=int, nargs="?", default=10_000)
    options.add_argument("--store", type=Path)
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(make_study(args.store or Path(folder) / "store", args.clips))
        if not any(row["clips"] for row in store.deployment_facts().values()):
            put_into_deployments(store)
        read_cpu, read_wall, data = timed(lambda: read_chart_data(store))
        print(f"{len(data):,} sightings, {len(data.runs):,} runs")
        print(f"{'reading':12} {read_cpu:6.0f} ms of processor time, {read_wall:6.0f} ms")
        for name in CHARTS:
            cpu, wall, _ = timed(lambda name=name: make_chart(name, data).figure.to_json())
            print(f"{name:12} {cpu:6.0f} ms of processor time, {wall:6.0f} ms; "
                  f"with reading {read_cpu + cpu:6.0f}, {read_wall + wall:6.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
