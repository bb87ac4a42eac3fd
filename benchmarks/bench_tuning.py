"""Figures and sweeps over 172,800 samples (24 h at 2 a second) with 500 annotations.

    make .venv/peers/ready
    python benchmarks/bench_tuning.py

Sides: a sweep against evaluating each rule by itself; halves of the samples and of the rules, for
the growth; a sweep with its advice against one with a choice from the grid alone, in time and in F1
on sites held out; the threshold curve against sed_scores_eval on the same scores and truth.
"""

import dataclasses
import importlib
import os
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT)]
sys.path.append(str(ROOT / ".venv" / "peers"))
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import numpy as np

from lab.evaluation.counts import count
from lab.evaluation.figures import Figures
from lab.evaluation.matching import Matching, Presences
from lab.evaluation.truth import LabelTruth
from lab.rules.replay import replay_rows
from lab.rules.rule import Debounce
from lab.tuning.choice import Goal, choose
from lab.tuning.curve import threshold_curve
from lab.tuning.footage import Footage
from lab.tuning.in_use import counts_in_use
from lab.tuning.recommend import recommend
from lab.tuning.rule_grid import RuleGrid
from lab.tuning.search import Search
from lab.tuning.sweep import sweep_footage
from tests.tuning.test_advice import study

SAMPLES, ANNOTATIONS, STEP_US = 172_800, 500, 500_000


def make_case(samples=SAMPLES, annotations=ANNOTATIONS):
    dice = np.random.default_rng(7)
    slots = np.sort(dice.choice(samples // 120, annotations, replace=False)) * 120
    starts = slots + dice.integers(0, 40, annotations)
    ends = starts + dice.integers(4, 70, annotations)
    scores = np.clip(dice.normal(0.12, 0.08, samples), 0, 1)
    for a, b in zip(starts, ends):
        scores[a : b + 1] = np.clip(dice.normal(0.6, 0.18, b - a + 1), 0, 1)
    for a in dice.integers(0, samples - 20, annotations):
        scores[a : a + 6] = np.clip(dice.normal(0.4, 0.15, 6), 0, 1)
    present = np.stack([starts, ends], axis=1).astype(np.int64) * STEP_US
    return np.arange(samples, dtype=np.int64) * STEP_US, scores.astype(np.float32), present


def footage_of(pts, scores, present):
    end = int(pts[-1]) + STEP_US
    truth = LabelTruth(present, np.zeros(len(present), bool), np.array([[0, end]]), present[:0])
    made = Footage.made("day", pts, scores, truth, start_us=0, end_us=end, interval_us=STEP_US)
    return made, truth


def timed(work, repeats=1):
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return sorted(times)[len(times) // 2]


def one_rule(pts, scores, truth, debounce, matching):
    end = int(pts[-1]) + STEP_US
    rows, n = replay_rows(pts, scores, debounce)
    presences = Presences.from_rows(rows[:n], pts, 0, end)
    counts, _ = count(
        presences, truth, matching, pts_us=pts, interval_us=STEP_US, analysed=np.array([[0, end]])
    )
    return Figures(counts).to_dict()


def grid(thresholds):
    return RuleGrid(
        enter_threshold=np.linspace(0.2, 0.8, thresholds).tolist(), enter_frames=[1, 2, 3, 5, 8],
        exit_frames=[1, 3, 5, 8, 12], merge_gap_s=[0, 2, 5, 10], min_duration_s=[0, 1, 2, 5],
    )  # fmt: skip


def sed_curve(cases):
    """Their curve over clips, with the scores' and events' tables made beforehand."""
    sed = importlib.import_module("sed_scores_eval")
    statistics = sed.base_modules.statistics
    theirs = statistics.onset_offset_curves
    # Written before pandas gave read-only arrays.
    statistics.onset_offset_curves = lambda s, *rest: theirs(s.copy(), *rest)
    table, truth = {}, {}
    for i, (pts, scores, present) in enumerate(cases):
        times = np.append(pts, pts[-1] + STEP_US) / 1e6
        table[f"c{i}"] = sed.base_modules.scores.create_score_dataframe(
            scores[:, None].astype(float), times, ["x"]
        )
        truth[f"c{i}"] = [(a / 1e6, b / 1e6, "x") for a, b in present.tolist()]

    def run():
        return sed.collar_based.precision_recall_curve(
            table, truth, onset_collar=2.0, offset_collar=2.0, offset_collar_rate=0.5
        )["x"]

    return run


def clips_of(pts, scores, present, clips=200):
    """The day as clips; what reaches over a cut is cut."""
    size, out = len(pts) // clips, []
    for i in range(clips):
        first, last = i * size * STEP_US, (i + 1) * size * STEP_US
        inside = present[(present[:, 1] > first) & (present[:, 0] < last)]
        out.append(
            (pts[:size], scores[i * size : (i + 1) * size], np.clip(inside, first, last) - first)
        )
    return out


def f1_of(counts):
    tp, fp, fn = counts.sum(axis=0)
    return 2 * tp / (2 * tp + fp + fn)


def advice_on_other_sites(studies=30):
    """F1 on sites that the advice never saw: the grid's threshold, and the one of the search."""
    auto = RuleGrid(
        enter_frames=[1, 2, 3], exit_frames=[2, 4], merge_gap_s=[0], min_duration_s=[0, 2]
    )
    rows = []
    for seed in range(studies):
        known, other = (study(np.random.default_rng(n)) for n in (seed, 5000 + seed))
        swept = sweep_footage(known, "x", auto, floor=0.05)
        grid_rule = swept.rule(choose(swept, Goal()).position)
        rules = (grid_rule, Search(swept, Goal()).best().rule)
        rows.append([
            f1_of(counts_in_use(other, rule.default, 0.05, Matching())) for rule in rules
        ])  # fmt: skip
    gains = np.diff(rows, axis=1)[:, 0]
    before, now = np.mean(rows, axis=0)
    print(
        f"advice on sites held out, {studies} studies: F1 {before:.4f} at the grid's threshold, "
        f"{now:.4f} after the search; gain {gains.mean():+.4f} "
        f"(standard error {gains.std() / studies**0.5:.4f})"
    )


def advice_time():
    """A sweep with its advice, against the same with thresholds of the grid alone."""
    clips = study(np.random.default_rng(1))

    def before():
        swept = sweep_footage(clips, "x", RuleGrid(), floor=0.05)
        return recommend(dataclasses.replace(swept, footage=()))

    def now():
        return recommend(sweep_footage(clips, "x", RuleGrid(), floor=0.05))

    now()  # compile
    old, new = timed(before, 3), timed(now, 3)
    print(
        f"sweep of {len(clips)} clips and advice: {new:.2f} s; with the grid's threshold alone "
        f"{old:.2f} s, ratio {new / old:.2f}"
    )


def main():
    warnings.simplefilter("ignore")
    pts, scores, present = make_case()
    footage, truth = footage_of(pts, scores, present)
    debounce, matching = Debounce(enter_threshold=0.4), Matching()
    one_rule(pts, scores, truth, debounce, matching)  # compile
    sweep_footage([footage], "x", grid(1), floor=0.05)
    one = timed(lambda: one_rule(pts, scores, truth, debounce, matching), 21)
    print(f"one rule, {len(present)} annotations, figures included: {one * 1e3:.2f} ms")

    full = timed(lambda: sweep_footage([footage], "x", grid(25), floor=0.05))
    rules = int(np.prod(grid(25).shape))
    print(
        f"sweep of {rules} rules, one core: {full:.2f} s; each by itself {one * rules:.0f} s, "
        f"ratio {one * rules / full:.0f}"
    )
    fewer = timed(lambda: sweep_footage([footage], "x", grid(12), floor=0.05))
    half, _ = footage_of(*make_case(SAMPLES // 2, ANNOTATIONS // 2))
    shorter = timed(lambda: sweep_footage([half], "x", grid(25), floor=0.05))
    print(
        f"12 of 25 thresholds: {fewer / full:.2f} of the time; half the samples and annotations: "
        f"{shorter / full:.2f}"
    )
    flat = RuleGrid(
        enter_threshold=np.unique(scores[scores > 0.05].astype(float))[-10_000:].tolist(),
        enter_frames=[3],
        exit_frames=[5],
        merge_gap_s=[0],
        min_duration_s=[0],
    )
    alone = timed(lambda: sweep_footage([footage], "x", flat, floor=0.05))
    print(f"10,000 thresholds, nothing to share: {alone:.2f} s")

    advice_time()
    advice_on_other_sites()

    collar = Matching(criterion="collar", collar_s=2.0, collar_share=0.5, edges="held")
    threshold_curve([footage], collar)
    print(
        "threshold curve of the day, every score: "
        f"{timed(lambda: threshold_curve([footage], collar), 5):.3f} s"
    )
    cases = clips_of(pts, scores, present)
    clips = [footage_of(*case)[0] for case in cases]
    ours = timed(lambda: threshold_curve(clips, collar), 5)
    try:
        run = sed_curve(cases)
    except ModuleNotFoundError as error:
        print(f"the other side is missing ({error}): make .venv/peers/ready")
        return
    theirs = timed(run, 3)
    precision, recall, thresholds, _ = run()
    curve = threshold_curve(clips, collar)
    kept = np.isfinite(thresholds) & (thresholds > 0)
    at = np.searchsorted(-curve.thresholds, -thresholds[kept], "left")
    apart = [
        np.abs(np.nan_to_num(mine[at], nan=1.0) - other[kept]).max()
        for mine, other in ((curve.precision, precision), (curve.recall, recall))
    ]
    print(
        f"threshold curve of {len(clips)} clips: lab {ours:.3f} s, sed_scores_eval {theirs:.3f} s, "
        f"ratio {ours / theirs:.3f}; largest difference {max(apart):.1e} at {int(kept.sum())} "
        "thresholds"
    )


if __name__ == "__main__":
    main()
