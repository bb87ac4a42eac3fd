"""One rule, and a sweep of 1,000 rules, over 172,800 samples (24 h at 2 a second).

    python benchmarks/bench_replay.py

The other side is the streaming tracker, which is the truth that replay is held to.
"""

import time

import numpy as np

from lab.rules.replay import replay_rows, warm_up
from lab.rules.rule import Debounce
from lab.rules.tracker import Tracker

SAMPLES = 172_800


def make_log():
    dice = np.random.default_rng(3)
    presence = np.repeat(dice.random(SAMPLES // 60) < 0.2, 60)
    scores = np.clip(presence * 0.6 + dice.normal(0.15, 0.12, SAMPLES), 0, 1)
    return np.arange(SAMPLES, dtype=np.int64) * 500_000, scores.astype(np.float32)


def timed(work, repeats):
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return sorted(times)[len(times) // 2]


def stream(pts_us, scores, debounce):
    tracker = Tracker(debounce)
    for pts, score in zip(pts_us.tolist(), scores.tolist(), strict=True):
        tracker.update(pts, {"x": score})
    tracker.finish()


def main():
    pts_us, scores = make_log()
    warm_up()
    rule = Debounce(enter_threshold=0.4, exit_threshold=0.3, enter_frames=3, enter_window=5)
    rules = [
        Debounce(enter_threshold=t / 100, enter_frames=k, exit_frames=e, merge_gap_s=g)
        for t in range(20, 70, 5)
        for k in range(1, 6)
        for e in range(1, 11)
        for g in (0, 5)
    ]
    one = timed(lambda: replay_rows(pts_us, scores, rule), 50)
    sweep = timed(lambda: [replay_rows(pts_us, scores, r) for r in rules], 3)
    tracker = timed(lambda: stream(pts_us, scores, rule), 1)
    print(
        f"one rule:    replay {one * 1e3:8.2f} ms   tracker {tracker * 1e3:8.1f} ms   ratio "
        f"{tracker / one:.0f}"
    )
    print(
        f"{len(rules)} rules: replay {sweep:8.2f} s    tracker {tracker * len(rules):8.1f} s (one, "
        f"times {len(rules)})"
    )


if __name__ == "__main__":
    main()
