"""Operations on the catalog a second: closed after each, and kept open for a burst.

python benchmarks/bench_catalog.py [CLIPS]
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

from lab.rules.rule import Rule
from lab.store.store import Store

SECONDS = 2.0


def fill(store: Store, clips: int) -> None:
    """As many clips with a run each, and twenty sightings a run."""
    facts = '{"first_pts_us": 0, "end_us": 10000000, "w": "%s"}' % ("a" * 300)
    with store.catalog.transaction() as db:
        db.execute(
            "INSERT INTO media (media_id, path, size_bytes, facts, added_utc) "
            f"SELECT 'm' || i, '/clips/' || i || '.mp4', 1, '{facts}', now()::TIMESTAMP "
            f"FROM range({clips}) t(i)"
        )
        db.execute(
            "INSERT INTO runs (run_id, media_id, recipe, recipe_hash, protocol_hash, environment, "
            f"default_threshold, state, created_utc) SELECT 'r' || i, 'm' || i, '{facts}', "
            f"md5(i::VARCHAR), 'p', '{facts}', 0.5, 'done', now()::TIMESTAMP "
            f"FROM range({clips}) t(i)"
        )
        db.execute(
            f"INSERT INTO sightings SELECT 's' || i, 'r' || (i // 20), 'm' || (i // 20), 'h', "
            "'{}', NULL, 'person', i, i, i, i, i, i, i, 0.5, 'end', false, false, NULL, "
            f"now()::TIMESTAMP FROM range({20 * clips}) t(i)"
        )


def operations(folder: Path, seconds: float, is_burst: bool, who: str = "one") -> tuple[int, float]:
    """How many writes and reads were done in this time, and the longest of them in seconds."""
    store, count, longest_s = Store(folder), 0, 0.0
    end = time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        if count % 4 == 0:
            store.save_rule(who, Rule())
        else:
            store.rules()
        if not is_burst:
            store.catalog.give_up()
        count += 1
        longest_s = max(longest_s, time.monotonic() - begun)
    store.catalog.give_up()
    return count, longest_s


def _task(given: tuple[Path, float, bool, str]) -> tuple[int, float]:
    return operations(*given)


def measure(folder: Path, processes: int) -> None:
    rates, longest = {}, {}
    for is_burst in (False, True):
        given = [(folder, SECONDS, is_burst, str(i)) for i in range(processes)]
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            done = pool.map(_task, given)
        rates[is_burst] = sum(count for count, _ in done) / SECONDS
        longest[is_burst] = max(one for _, one in done)
    print(
        f"{processes} processes: {rates[False]:.0f} a second closed after each, "
        f"{rates[True]:.0f} kept open: {rates[True] / rates[False]:.1f} times; "
        f"longest {longest[False]:.2f} and {longest[True]:.2f} s"
    )


def main() -> None:
    clips = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        fill(store, clips)
        store.catalog.give_up()
        begun = time.monotonic()
        store.catalog.make_copy()
        print(f"{clips} clips; a copy takes {time.monotonic() - begun:.2f} s")
        store.catalog.give_up()
        for processes in (1, 2, 4):
            measure(Path(folder), processes)


if __name__ == "__main__":
    main()
