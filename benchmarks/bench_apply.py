"""One rule applied to 1,000 clips of 700 samples, against one run saved after the other.

    python benchmarks/bench_apply.py [--clips N]

Sides: `lab.apply`, with progress, and its preview; `run.save_sightings` of each run. The first 100
clips alone are saved one by one, and the time is given for all. Also: what Sightings asks for.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT)]

import lab
from benchmarks import study
from lab.rules.replay import warm_up
from lab.store.store import Store

SAMPLES, ONE_BY_ONE = 700, 100


def timed(work):
    begun = time.perf_counter()
    found = work()
    return time.perf_counter() - begun, found


def save_one_by_one(store, rule, runs):
    for row in store.run_index()[:runs]:
        lab.Run(store, row["run_id"]).save_sightings(rule)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=1000)
    clips = parser.parse_args().clips
    study.SAMPLES_A_CLIP = SAMPLES
    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(study.make_study(Path(folder) / "study", clips))
        store.count_runs()
        one, other = (lab.Debounce(enter_threshold=v) for v in (0.6, 0.65))
        told = []
        preview_s, _ = timed(lambda: lab.apply(store, one, preview=True))
        apply_s, found = timed(lambda: lab.apply(store, one, progress=lambda *at: told.append(at)))
        again_s, _ = timed(lambda: lab.apply(store, lab.Debounce(enter_threshold=0.62)))
        few = min(clips, ONE_BY_ONE)
        few_s, _ = timed(lambda: save_one_by_one(store, other, few))
        alone_s = few_s * clips / few
        page_s, _ = timed(lambda: store.sightings(limit=50, current=True))
        all_s, _ = timed(lambda: store.sightings(limit=50))
        store.catalog.give_up()
    print(f"{clips:,} clips of {SAMPLES} samples, {found.after:,} sightings of the rule")
    print(f"one run after the other  {alone_s:7.2f} s  (from {few} runs)")
    print(f"apply                    {apply_s:7.2f} s  ({alone_s / apply_s:.1f} times as fast)")
    print(f"apply another rule       {again_s:7.2f} s")
    print(f"preview                  {preview_s:7.2f} s")
    print(f"progress was told        {len(told):7d} times")
    print(f"50 current sightings     {page_s:7.3f} s  (of all rules {all_s:.3f} s)")


if __name__ == "__main__":
    main()
