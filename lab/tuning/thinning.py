"""What fewer samples would have cost: a dense run, subsampled at all phase offsets."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import SettingError
from lab.evaluation.counts import total
from lab.evaluation.evaluate import count_run, presences_in
from lab.evaluation.figures import Figures
from lab.evaluation.matching import Matching
from lab.evaluation.pooling import check_poolable
from lab.evaluation.truth import Truth
from lab.rules.rule import Debounce, Rule
from lab.tuning.sweep import the_label
from lab.video.time_grid import choose

if TYPE_CHECKING:
    from lab.runs.run import Run

INTERVALS_S = (0.5, 1.0, 2.0, 5.0)
MAX_PHASES = 25
NO_WHOLE_PAIR = (
    "every sighting that matches an annotation is cut by an end of the clip or of a watched "
    "stretch, so its true duration is not known"
)


def thin(
    runs: Run | Sequence[Run],
    truth: Any = None,
    rule: Rule | Debounce | dict[str, Any] | None = None,
    *,
    label: str | None = None,
    coverage: Any = None,
    intervals_s: Sequence[float] = INTERVALS_S,
    matching: Matching | None = None,
) -> list[dict[str, Any]]:
    """Figures at coarser sampling intervals: one row per interval, the runs' own first.

    A rule's counts of samples are kept as seconds, so they mean the same at each interval. Each
    interval is taken at all its phase offsets (25 evenly chosen ones, if there are more).

    Each row has
        `recall`, `precision`, `f1`: of the counts of all phases together; `..._low` and
            `..._high` of the worst and the best phase.
        `delay_s`: mean time from the start of an annotation until its sighting is confirmed.
        `duration_bias_s`: mean difference in duration, sighting minus annotation.
        `computing`: the share of the samples that a detector would have had to analyse.
        `refused`: figure to reason, for those that are None.

    Raises SettingError where `evaluate` does, or if every interval is finer than the run's.
    """
    runs = check_poolable(runs)
    truth = Truth.coerce(truth, runs, coverage)
    rule = runs[0].default_rule if rule is None else Rule.coerce(rule)
    label, _ = the_label(runs, truth, rule, label)
    dense_s = runs[0].sample_interval_s
    wanted_s = sorted({float(i) for i in intervals_s if i > dense_s * 1.001})
    if not wanted_s:
        raise SettingError(
            f"the run has a sample every {dense_s:g} s, so it cannot be subsampled to intervals "
            f"of {list(intervals_s)} s; give longer ones, or analyse the clip more densely"
        )
    in_seconds = in_seconds_of(rule.of(label).debounce, dense_s)
    rows = []
    for interval_s in [dense_s, *wanted_s]:
        offsets = 1 if interval_s == dense_s else int(np.ceil(interval_s / dense_s - 1e-9))
        phases = np.unique(
            np.linspace(0, offsets - 1, min(offsets, MAX_PHASES)).round().astype(int)
        )
        debounce = in_seconds.resolved(interval_s)
        each = [
            _phase(runs, truth, label, rule, debounce, interval_s, int(p), matching or Matching())
            for p in phases
        ]
        rows.append(_row(interval_s, debounce, each, runs))
    return rows


def subsample(pts_us: np.ndarray, interval_s: float, phase: int) -> np.ndarray:
    """Positions of the samples that a coarser grid takes, by the sampler's own rule.

    pts_us: int64 (n,), rising. The grid (`lab.video.time_grid`) begins at sample `phase`, in ticks
    of a microsecond.
    """
    taken = choose(pts_us[phase:].tolist(), interval_s, Fraction(1, 1_000_000))
    return phase + np.array(taken, np.int64)


def in_seconds_of(debounce: Debounce, every_s: float) -> Debounce:
    """The same rule with its counts of samples as seconds."""
    enter = debounce.enter_s if debounce.enter_s is not None else debounce.enter_frames * every_s
    exit_ = debounce.exit_s if debounce.exit_s is not None else debounce.exit_frames * every_s
    return Debounce.from_dict(
        {
            **debounce.to_dict(),
            "enter_s": round(enter, 6),
            "exit_s": round(exit_, 6),
            "enter_frames": 3,
            "enter_window": None,
        }
    )


def _phase(
    runs: Sequence[Run],
    truth: Truth,
    label: str,
    rule: Rule,
    debounce: Debounce,
    interval_s: float,
    phase: int,
    matching: Matching,
) -> dict[str, Any]:
    counts, bias, taken = [], [], 0
    for run in runs:
        series = run.series(label, rule)
        keep = subsample(series.pts_us, interval_s, phase)
        taken += len(keep)
        if not len(keep):
            continue
        coarser = dataclasses.replace(series.at(keep), interval_s=interval_s)
        presences = presences_in(coarser, debounce)
        made, pairing, _ = count_run(
            run, label, rule, truth.of(run.media["media_id"], label), matching, presences=presences
        )
        counts.append(made)
        paired = np.flatnonzero(pairing.match_of >= 0)
        whole = ~pairing.is_cut(presences, 0)[paired] & ~pairing.is_cut(presences, 1)[paired]
        paired = paired[whole]
        found_us = pairing.edges[paired, 2] - pairing.edges[paired, 1]
        true_us = np.diff(pairing.truth[pairing.match_of[paired]], axis=1).ravel()
        bias += ((found_us - true_us) / 1e6).tolist()
    return {"counts": total(counts), "bias": bias, "taken": taken}


def _row(
    interval_s: float, debounce: Debounce, each: list[dict[str, Any]], runs: Sequence[Run]
) -> dict[str, Any]:
    joint = Figures(total([e["counts"] for e in each]))
    single = [Figures(e["counts"]) for e in each]
    delays = joint.counts.delays_us
    bias = [b for e in each for b in e["bias"]]
    row: dict[str, Any] = {
        "interval_s": round(interval_s, 6),
        "phases": len(each),
        "enter_frames": debounce.enter_frames,
        "exit_frames": debounce.exit_frames,
    }
    for name in ("recall", "precision", "f1"):
        values = [v for f in single if (v := getattr(f, name)) is not None]
        row[name] = getattr(joint, name)
        row[f"{name}_low"], row[f"{name}_high"] = (
            (min(values), max(values)) if values else (None, None)
        )
    refused = {n: why for n, why in joint.refused.items() if n in ("recall", "precision", "f1")}
    if not len(delays):
        refused["delay_s"] = joint.refused["delay"]
    if not bias:
        refused["duration_bias_s"] = NO_WHOLE_PAIR if joint.counts.tp else joint.refused["delay"]
    row["refused"] = refused
    row["delay_s"] = float(np.mean(delays) / 1e6) if len(delays) else None
    row["duration_bias_s"] = float(np.mean(bias)) if bias else None
    samples = sum(len(run.log.analysed_pts_us) for run in runs)
    row["samples"] = round(float(np.mean([e["taken"] for e in each])))
    row["computing"] = row["samples"] / max(1, samples)
    row["elapsed_s"] = sum(run.elapsed_s for run in runs) * row["computing"]
    return row
