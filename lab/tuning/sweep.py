"""All rules of a grid over one clip or a collection, counted exactly.

Merging and dropping are functions of the bare sightings, so each log is replayed once for every
pair of thresholds and counts of samples, and all merge gaps and minimum durations share that.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.box_filter import BoxFilter
from lab.errors import LabError, SettingError
from lab.evaluation.matching import Matching, edges_of_rows
from lab.rule import Debounce, LabelRule, Rule, seconds_to_us
from lab.tuning.footage import Footage, footage_of

if TYPE_CHECKING:
    import pandas as pd

    from lab.run import Run

MOST_RULES = 200_000
SETTINGS = (
    "min_area_fraction", "enter_threshold", "exit_share", "enter_frames", "exit_frames",
    "merge_gap_s", "min_duration_s",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The values of each setting; every combination is a rule.

    enter_threshold: scores; `auto` takes up to `thresholds` of the scores that occur.
    exit_share: exit threshold as a share of enter, not below the run's score floor.
    enter_frames, exit_frames: in samples. merge_gap_s, min_duration_s: in seconds.
    min_area_fraction: of the picture. Raises SettingError for a value out of range.
    """

    enter_threshold: Sequence[float] | str = "auto"
    exit_share: Sequence[float] = (1.0,)
    enter_frames: Sequence[int] = (1, 2, 3, 5)
    exit_frames: Sequence[int] = (1, 3, 5, 10)
    merge_gap_s: Sequence[float] = (0.0, 1.0, 2.0, 5.0)
    min_duration_s: Sequence[float] = (0.0, 0.5, 1.0, 2.0)
    min_area_fraction: Sequence[float] = (0.0,)
    thresholds: int = 24

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            values = getattr(self, f.name)
            if f.name == "thresholds" or (isinstance(values, str) and values == "auto"):
                continue
            if isinstance(values, str) or not hasattr(values, "__iter__"):
                raise SettingError(f"{f.name} of a sweep must be a list of values, got {values!r}")
            values = tuple(sorted({float(v) for v in values}))
            if not values:
                raise SettingError(f"{f.name} of a sweep is empty; give at least one value")
            if f.name in ("enter_frames", "exit_frames"):
                values = tuple(int(v) for v in values)
            object.__setattr__(self, f.name, values)
        if not all(0 < share <= 1 for share in self.exit_share):
            raise SettingError(f"exit_share must be in (0, 1], got {self.exit_share}")
        if not all(0 <= area < 1 for area in self.min_area_fraction):
            raise SettingError(f"min_area_fraction must be in [0, 1), got {self.min_area_fraction}")
        for enter, exit_ in itertools.product(self.enter_frames, self.exit_frames):
            Debounce(enter_frames=enter, exit_frames=exit_)
        for gap, least in itertools.product(self.merge_gap_s, self.min_duration_s):
            Debounce(merge_gap_s=gap, min_duration_s=least)
        for threshold in () if isinstance(self.enter_threshold, str) else self.enter_threshold:
            Debounce(enter_threshold=float(threshold))

    def with_thresholds(self, footage: Sequence[Footage], floor: float) -> Grid:
        """`auto` replaced by scores that occur, evenly spread over them, highest included."""
        if not isinstance(self.enter_threshold, str):
            below = [t for t in self.enter_threshold if float(t) < floor]
            if below:
                raise SettingError(
                    f"threshold {below[0]} is below the run's score_floor {floor}: the log cannot "
                    "answer it; analyse again with a lower floor"
                )
            return self
        scores = np.concatenate([f.scores(BoxFilter()) for f in footage] or [np.zeros(0, np.float32)])
        seen = np.unique(scores[scores >= np.float32(floor)]).astype(np.float64)
        seen = seen[(seen > 0) & (seen >= floor)]
        if not len(seen):
            return dataclasses.replace(self, enter_threshold=(max(floor, 0.5),))
        if len(seen) > self.thresholds:
            seen = seen[np.unique(np.linspace(0, len(seen) - 1, self.thresholds).round().astype(int))]
        return dataclasses.replace(self, enter_threshold=tuple(seen.tolist()))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(getattr(self, name)) for name in SETTINGS)

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


@dataclass(frozen=True, eq=False)
class Sweep:
    """Counts of every rule on every clip.

    settings: name to float64 (n,), one value a rule. counts: int32 (clips, n, 3): tp, fp, fn.
    covered_us: int64 (clips,). names, sites, nights: of the clips. floor: the runs' score floor.
    base: the settings that are not swept.
    """

    label: str
    grid: Grid
    settings: Mapping[str, np.ndarray]
    counts: np.ndarray
    covered_us: np.ndarray
    media_ids: tuple[str, ...]
    names: tuple[str, ...]
    sites: tuple[str | None, ...]
    nights: tuple[str | None, ...]
    floor: float
    matching: Matching = field(default_factory=Matching)
    base: LabelRule = field(default_factory=LabelRule)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.counts.shape[1]

    @property
    def totals(self) -> np.ndarray:
        """tp, fp, fn of every rule over all clips: int64 (n, 3)."""
        return self.counts.sum(axis=0, dtype=np.int64)

    @property
    def hours(self) -> float:
        return float(self.covered_us.sum() / 3.6e9)

    def figures(self, totals: np.ndarray | None = None, hours: float | None = None) -> dict[str, np.ndarray]:
        """precision, recall, f1, false_per_hour of every rule: float64 (n,), NaN of nothing."""
        totals = self.totals if totals is None else totals
        return figures_of(totals, self.hours if hours is None else hours)

    def pareto(self) -> np.ndarray:
        """Positions of rules that no other beats in recall and in false sightings an hour."""
        f = self.figures()
        return pareto_front(f["recall"], f["false_per_hour"], f["f1"])

    def alike(self, position: int) -> int:
        """The middle one of the rules that count the same as this one."""
        from lab.tuning.recommend import middle_of

        same = (self.totals == self.totals[position]).all(axis=1)
        return middle_of(same.reshape(self.grid.shape))

    def rule(self, position: int) -> Rule:
        """A rule of the sweep, for its label alone."""
        value = {name: float(self.settings[name][position]) for name in SETTINGS}
        debounce = self.base.debounce.changed(
            enter_threshold=value["enter_threshold"],
            exit_threshold=exit_of(value["enter_threshold"], value["exit_share"], self.floor),
            enter_frames=int(value["enter_frames"]),
            enter_window=None,
            enter_s=None,
            exit_s=None,
            exit_frames=int(value["exit_frames"]),
            merge_gap_s=value["merge_gap_s"],
            min_duration_s=value["min_duration_s"],
        )
        box = dataclasses.replace(self.base.box_filter, min_area_fraction=value["min_area_fraction"])
        return Rule(default=LabelRule(debounce=debounce, box_filter=box), only=(self.label,))

    def row(self, position: int) -> dict[str, Any]:
        """Settings, counts and figures of one rule, as JSON values."""
        figures = {k: v[position] for k, v in self.figures().items()}
        tp, fp, fn = (int(v) for v in self.totals[position])
        return {
            "position": int(position),
            "rule": self.rule(position).to_dict(),
            "rule_hash": self.rule(position).rule_hash,
            **{name: float(self.settings[name][position]) for name in SETTINGS},
            "tp": tp, "fp": fp, "fn": fn,
            **{k: None if np.isnan(v) else float(v) for k, v in figures.items()},
        }  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """One row a rule."""
        import pandas as pd

        totals = self.totals
        columns = {**self.settings, "tp": totals[:, 0], "fp": totals[:, 1], "fn": totals[:, 2]}
        frame = pd.DataFrame({**columns, **self.figures()})
        frame["pareto"] = np.isin(np.arange(len(self)), self.pareto())
        return frame

    def to_dict(self) -> dict[str, Any]:
        """What `lab sweep --json` prints of a label: the front and the best, not every rule."""
        from lab.tuning.recommend import Goal, choose

        return {
            "rules": len(self),
            "clips": list(self.names),
            "covered_s": float(self.covered_us.sum() / 1e6),
            "matching": self.matching.to_dict(),
            "grid": {k: list(v) if isinstance(v, tuple) else v for k, v in self.grid.to_dict().items()},
            "best": self.row(choose(self, Goal()).position),
            "pareto": [self.row(i) for i in self.pareto().tolist()],
            "notes": list(self.notes),
        }

    def save(self, path: Path) -> None:
        """As a file that `load_sweep` reads."""
        import json

        facts = {
            "label": self.label, "grid": self.grid.to_dict(), "media_ids": self.media_ids,
            "names": self.names, "sites": self.sites, "nights": self.nights, "floor": self.floor,
            "matching": self.matching.to_dict(), "base": self.base.to_dict(), "notes": self.notes,
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.savez_compressed(
                file, facts=np.array(json.dumps(facts)), counts=self.counts, covered_us=self.covered_us
            )


def load_sweep(path: Path) -> Sweep:
    """Raises LabError if it is not there or not whole."""
    import json
    import zipfile

    try:
        with np.load(path, allow_pickle=False) as file:
            facts, counts, covered_us = json.loads(str(file["facts"])), file["counts"], file["covered_us"]
        grid = Grid(**facts["grid"])
        return Sweep(
            facts["label"], grid, _settings(grid), counts, covered_us,
            tuple(facts["media_ids"]), tuple(facts["names"]), tuple(facts["sites"]),
            tuple(facts["nights"]), facts["floor"], Matching(**facts["matching"]),
            LabelRule.from_dict(facts["base"]), tuple(facts["notes"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise LabError(f"the sweep {path} cannot be read ({error}); sweep again") from None


def exit_of(enter: float, share: float, floor: float) -> float:
    """The exit threshold: a share of enter, not below the floor."""
    return enter if share == 1 else max(min(enter, floor), enter * share)


def figures_of(totals: np.ndarray, hours: float) -> dict[str, np.ndarray]:
    """precision, recall, f1, false_per_hour of counts (..., 3); NaN where nothing can be said."""
    tp, fp, fn = (totals[..., i].astype(np.float64) for i in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "false_per_hour": fp / hours if hours > 0 else np.full(tp.shape, np.nan),
        }


def pareto_front(recall: np.ndarray, false_per_hour: np.ndarray, f1: np.ndarray) -> np.ndarray:
    """Positions with no rival of higher recall at no more false ones; rising in both."""
    usable = np.flatnonzero(~np.isnan(recall) & ~np.isnan(false_per_hour))
    order = usable[np.lexsort((-np.nan_to_num(f1[usable]), -recall[usable], false_per_hour[usable]))]
    best, front = -1.0, []
    for i in order.tolist():
        if recall[i] > best:
            best = float(recall[i])
            front.append(i)
    return np.array(front, np.int64)


def sweep(
    runs: Run | Iterable[Run],
    truth: Any = None,
    *,
    label: str | None = None,
    grid: Grid | None = None,
    coverage: Any = None,
    tiou: float = 0.5,
    matching: Matching | None = None,
    base: Rule | Debounce | Mapping[str, Any] | None = None,
    annotator: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Sweep:
    """Count every rule of a grid against what is true.

    runs: of one protocol, each of another media. truth, coverage, tiou, matching, annotator: as
    of `lab.evaluate`. label: which; may be left out where runs and truth share just one.
    base: what the rules have in common beside the grid (zones, largest area).

    Raises SettingError where `evaluate` does, for too many rules, or without covered footage.
    """
    from lab.evaluation.evaluate import check_poolable, shared_labels
    from lab.truth import Truth

    runs = check_poolable(runs)
    known = Truth.of_any(truth, runs, coverage, annotator=annotator)
    rule = runs[0].default_rule if base is None else Rule.of_any(base)
    label, notes = the_label(runs, known, rule, label)
    shared_labels(runs, known, rule, [label])
    footage = footage_of(runs, known, label)
    check_covered(footage, label)
    return sweep_footage(
        footage,
        label,
        grid or Grid(),
        floor=max(float(run.recipe["score_floor"]) for run in runs),
        matching=matching or Matching(tiou=tiou),
        base=rule.of(label),
        notes=(*known.notes, *notes),
        progress=progress,
        cancelled=cancelled,
    )


def the_label(
    runs: Sequence[Run], truth: Any, rule: Rule, label: str | None
) -> tuple[str, list[str]]:
    """The label that is asked for, or the only one there is."""
    from lab.evaluation.evaluate import shared_labels

    if label is not None:
        return label, []
    labels, notes = shared_labels(runs, truth, rule, None)
    if len(labels) > 1:
        raise SettingError(f"there are {len(labels)} labels ({', '.join(labels[:5])}); name one with label=")
    return labels[0], notes


def check_covered(footage: Sequence[Footage], label: str) -> None:
    """Raises SettingError if nothing was watched for the label, or nothing can be found."""
    if not any(f.covered_us for f in footage):
        raise SettingError(
            f"no stretch was watched for {label!r}: mark coverage, or give truth that names these "
            "media; without it nobody knows what a rule missed"
        )


def sweep_footage(
    footage: Sequence[Footage],
    label: str,
    grid: Grid,
    *,
    floor: float,
    matching: Matching | None = None,
    base: LabelRule | None = None,
    notes: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Sweep:
    """The same over footage that is at hand."""
    grid, matching, base = grid.with_thresholds(footage, floor), matching or Matching(), base or LabelRule()
    size = int(np.prod(grid.shape))
    if size > MOST_RULES:
        raise SettingError(f"the grid has {size:,} rules, the most is {MOST_RULES:,}; give fewer values")
    covered = [f for f in footage if f.covered_us]
    counts = np.zeros((len(covered), size, 3), np.int32)
    for i, clip in enumerate(covered):
        counts[i] = _count_clip(clip, grid, floor, matching, base, cancelled)
        if progress is not None:
            progress(i + 1, len(covered))
    return Sweep(
        label, grid, _settings(grid), counts,
        np.array([f.covered_us for f in covered], np.int64),
        tuple(f.media_id for f in covered), tuple(f.name for f in covered),
        tuple(f.site for f in covered), tuple(f.night for f in covered),
        floor, matching, base, tuple(notes),
    )  # fmt: skip


def _settings(grid: Grid) -> dict[str, np.ndarray]:
    axes = [np.asarray(getattr(grid, name), np.float64) for name in SETTINGS]
    return dict(zip(SETTINGS, (a.ravel() for a in np.meshgrid(*axes, indexing="ij")), strict=True))


def _count_clip(
    clip: Footage,
    grid: Grid,
    floor: float,
    matching: Matching,
    base: LabelRule,
    cancelled: Callable[[], bool],
) -> np.ndarray:
    """int32 (rules, 3) in the grid's order."""
    from lab.evaluation import kernels
    from lab.replay import compiled_loop

    loop = compiled_loop()
    gaps = np.array([seconds_to_us(v) for v in grid.merge_gap_s], np.int64)
    leasts = np.array([seconds_to_us(v) for v in grid.min_duration_s], np.int64)
    out = np.zeros((*grid.shape[:-2], len(gaps), len(leasts), 3), np.int32)
    assert not isinstance(grid.enter_threshold, str)
    for a, area in enumerate(grid.min_area_fraction):
        box = dataclasses.replace(base.box_filter, min_area_fraction=area)
        scores = np.ascontiguousarray(clip.scores(box), np.float32)
        for t, enter in enumerate(grid.enter_threshold):
            if cancelled():
                raise LabError("the sweep was cancelled")
            for s, share in enumerate(grid.exit_share):
                exit_ = exit_of(enter, share, floor)
                for (e, needed), (x, leave) in itertools.product(
                    enumerate(grid.enter_frames), enumerate(grid.exit_frames)
                ):
                    rows, n = loop(
                        clip.pts_us, scores, enter, exit_, needed, needed, leave, 0, 0, 0, False
                    )
                    edges = edges_of_rows(rows[:n], clip.pts_us, clip.start_us, clip.end_us)
                    out[a, t, s, e, x] = kernels.count_grid(
                        matching.taken(edges), gaps, leasts, clip.covered, clip.present,
                        clip.counted, *matching.arguments,
                    )  # fmt: skip
    return out.reshape(-1, 3)
