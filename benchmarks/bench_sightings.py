"""The page Sightings over 10,000 runs and 200,000 sightings, all of them reviewed and tagged.

    python benchmarks/bench_sightings.py [--clips 10000] [--repeats 5]

Printed are milliseconds of processor time and of the clock, each the median: for the first rows of
each order and group, for each filter (count, first rows and what is said of them), and for changes
of many sightings with their undo. The whole page in a browser is in bench_pages.py.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bench_charts import put_into_deployments
from benchmarks.study import make_study
from lab.store.sighting_groups import GROUPS
from lab.store.sightings import ORDERS
from lab.store.store import Store

PAGE = 50
FILTERS = {
    "none": {},
    "label": {"label": "bird"},
    "site": {"site": ["site 3", "site 4"]},
    "words": {"text": "IMG_0000"},
    "words in notes": {"note": "fox"},
    "period": {"from_local": datetime(2026, 3, 1), "to_local": datetime(2026, 4, 1)},
    "time of day": {"hours": (22.0, 4.5)},
    "weekday": {"weekday": [6, 7]},
    "score": {"min_confidence": 0.8},
    "duration": {"min_duration_s": 4.0},
    "tag": {"tag": "night"},
    "reviewed": {"reviewed": True},
    "not reviewed": {"reviewed": False},
    "verdict": {"verdict": "rejected"},
    "five of them": {
        "label": "bird", "hours": (20.0, 6.0), "min_duration_s": 3.0, "verdict": "accepted",
        "tag": "night",
    },
}  # fmt: skip


def fill(store: Store) -> None:
    """Sites and starts of all clips, in zones whose clocks change; verdicts, tags and notes on all
    sightings.
    """
    with store.catalog.transaction() as db:
        db.execute("""UPDATE media SET site = 'site ' || (hash(media_id) % 20), utc_offset_s = 3600,
            start_utc = TIMESTAMP '2026-01-01' + to_seconds((hash(media_id) % 30000000)::BIGINT)""")
    put_into_deployments(store)
    store.judge_sightings("accepted")
    store.judge_sightings("rejected", max_duration_s=3.5)
    store.tag_sightings(["night"], hours=(20, 6))
    store.note_sightings("a fox, perhaps", label="animal", min_duration_s=5.5)


def measure(name: str, repeats: int, do: Callable[[], object]) -> None:
    do()
    cpu, wall = [], []
    for _ in range(repeats):
        begun = time.process_time(), time.perf_counter()
        do()
        cpu.append(time.process_time() - begun[0])
        wall.append(time.perf_counter() - begun[1])
    print(f"| {name} | {1e3 * statistics.median(cpu):.0f} | {1e3 * statistics.median(wall):.0f} |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--clips", type=int, default=10_000)
    options.add_argument("--repeats", type=int, default=5)
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(make_study(Path(folder) / "study", args.clips))
        fill(store)
        print(f"{store.count_sightings():,} sightings\n\n| what | ms of processor | ms |")
        print("| --- | ---: | ---: |")
        for order in ORDERS:
            page = {"order": order, "limit": PAGE, "current": True}
            first = partial(store.sightings, **page)
            measure(f"first rows by {order}", args.repeats, first)
        for by in GROUPS:
            first = partial(store.grouped_sightings, by, limit=PAGE, current=True)
            measure(f"grouped by {by}", args.repeats, first)
        for name, wanted in FILTERS.items():

            def show(wanted=wanted):
                store.count_sightings(current=True, **wanted)
                store.reviews_of(store.sightings(limit=PAGE, current=True, **wanted))

            measure(f"filter: {name}", args.repeats, show)
        measure("a verdict on one, and its undo", args.repeats, lambda: undone(
            store, sighting_id=store.sightings(limit=1)[0]["sighting_id"]))  # fmt: skip
        measure("a verdict on a quarter, and its undo", 1, lambda: undone(store, label="bird"))


def undone(store: Store, **wanted: object) -> None:
    store.undo_change(store.judge_sightings("unsure", **wanted))


if __name__ == "__main__":
    main()
