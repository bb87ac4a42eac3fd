"""All rules of a grid over one clip or a collection, counted exactly.

Merging and dropping are functions of the bare sightings, so each log is replayed once for every
pair of thresholds and counts of samples, and all merge gaps and minimum durations share that.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import LabError, SettingError
from lab.evaluation.matching import Matching, edges_of_rows
from lab.evaluation.pooling import check_poolable, shared_labels
from lab.evaluation.rates import rates_of, refused_rates
from lab.evaluation.truth import Truth
from lab.rules.replay import compiled_loop
from lab.rules.rule import Debounce, LabelRule, Rule, seconds_to_us
from lab.tuning.choice import Goal, choose, middle_of
from lab.tuning.footage import Footage, footage_of
from lab.tuning.pareto import pareto_front
from lab.tuning.rule_grid import SETTINGS, RuleGrid, columns_of, exit_of

if TYPE_CHECKING:
    import pandas as pd

    from lab.runs.run import Run

MAX_RULES = 200_000


@dataclass(frozen=True, eq=False)
class Sweep:
    """Counts of every rule on every clip.

    settings: name to float64 (n,), one value a rule. counts: int32 (clips, n, 3): tp, fp, fn.
    covered_us: int64 (clips,). names, sites, nights: of the clips. floor: the runs' score floor.
    base: the rule in use, whose settings beside the grid all rules have. footage: the clips that
    were counted; a sweep that was loaded has none (see `over`).
    """

    label: str
    grid: RuleGrid
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
    footage: tuple[Footage, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return self.counts.shape[1]

    @cached_property
    def totals(self) -> np.ndarray:
        """tp, fp, fn of every rule over all clips: int64 (n, 3)."""
        return self.counts.sum(axis=0, dtype=np.int64)

    @property
    def hours(self) -> float:
        return float(self.covered_us.sum() / 3.6e9)

    def figures(
        self, totals: np.ndarray | None = None, hours: float | None = None
    ) -> dict[str, np.ndarray]:
        """precision, recall, f1, false_per_hour of every rule: float64 (n,), NaN if not defined."""
        totals = self.totals if totals is None else totals
        return rates_of(totals, self.hours if hours is None else hours)

    def pareto(self) -> np.ndarray:
        """Positions of rules that no other beats in recall and in false sightings an hour."""
        f = self.figures()
        return pareto_front(f["recall"], f["false_per_hour"], f["f1"])

    def alike(self, position: int) -> int:
        """The middle one of the rules that count the same as this one."""
        same = (self.totals == self.totals[position]).all(axis=1)
        return middle_of(same.reshape(self.grid.shape))

    def rule(self, position: int, enter_threshold: float | None = None) -> Rule:
        """A rule of the sweep, for its label alone.

        enter_threshold: another than that of the grid.
        """
        value = {name: float(self.settings[name][position]) for name in SETTINGS}
        if enter_threshold is not None:
            value["enter_threshold"] = enter_threshold
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
        box = dataclasses.replace(
            self.base.box_filter, min_area_fraction=value["min_area_fraction"]
        )
        return Rule(default=LabelRule(debounce=debounce, box_filter=box), only=(self.label,))

    def over(self, footage: Sequence[Footage], base: LabelRule | None = None) -> Sweep:
        """The same sweep with its footage, for what its file does not keep.

        base: the rule that is in use now; its box filter must be that of the sweep.

        Raises LabError if a clip of the sweep is not among the footage.
        """
        by_media = {clip.media_id: clip for clip in footage}
        missing = [n for n, m in zip(self.names, self.media_ids, strict=True) if m not in by_media]
        if missing:
            raise LabError(f"the footage has no clip {missing[0]!r} of the sweep; sweep again")
        clips = tuple(by_media[m] for m in self.media_ids)
        return dataclasses.replace(self, footage=clips, base=base or self.base)

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
            "refused": refused_rates(tp, fp, fn, self.hours),
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
        return {
            "rules": len(self),
            "clips": list(self.names),
            "covered_s": float(self.covered_us.sum() / 1e6),
            "matching": self.matching.to_dict(),
            "grid": {
                k: list(v) if isinstance(v, tuple) else v for k, v in self.grid.to_dict().items()
            },
            "best": self.row(choose(self, Goal()).position),
            "pareto": [self.row(i) for i in self.pareto().tolist()],
            "notes": list(self.notes),
        }

    def save(self, path: Path) -> None:
        """As a file that `load_sweep` reads."""
        facts = {
            "label": self.label,
            "grid": self.grid.to_dict(),
            "media_ids": self.media_ids,
            "names": self.names,
            "sites": self.sites,
            "nights": self.nights,
            "floor": self.floor,
            "matching": self.matching.to_dict(),
            "base": self.base.to_dict(),
            "notes": self.notes,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                facts=np.array(json.dumps(facts)),
                counts=self.counts,
                covered_us=self.covered_us,
            )


def load_sweep(path: Path) -> Sweep:
    """A sweep that was saved. Raises LabError if the file is missing or not complete."""
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            counts, covered_us = file["counts"], file["covered_us"]
        grid = RuleGrid(**facts["grid"])
        return Sweep(
            label=facts["label"],
            grid=grid,
            settings=columns_of(grid),
            counts=counts,
            covered_us=covered_us,
            media_ids=tuple(facts["media_ids"]),
            names=tuple(facts["names"]),
            sites=tuple(facts["sites"]),
            nights=tuple(facts["nights"]),
            floor=facts["floor"],
            matching=Matching(**facts["matching"]),
            base=LabelRule.from_dict(facts["base"]),
            notes=tuple(facts["notes"]),
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise LabError(f"the sweep {path} cannot be read ({error}); sweep again") from None


def sweep(
    runs: Run | Iterable[Run],
    truth: Any = None,
    *,
    label: str | None = None,
    grid: RuleGrid | None = None,
    coverage: Any = None,
    tiou: float = 0.5,
    matching: Matching | None = None,
    base: Rule | Debounce | Mapping[str, Any] | None = None,
    annotator: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Sweep:
    """Count every rule of a grid against what is true.

    runs: of one protocol, each of a different media.
    truth, coverage, tiou, matching, annotator: as for `lab.evaluate`.
    label: may be left out where runs and truth share only one.
    base: the rule in use: what all rules have in common beside the grid (zones, largest area).

    Raises SettingError where `evaluate` does, for too many rules, or without covered footage;
    LabError if cancelled.
    """
    runs = check_poolable(runs)
    truth = Truth.coerce(truth, runs, coverage, annotator=annotator)
    rule = runs[0].default_rule if base is None else Rule.coerce(base)
    label, notes = the_label(runs, truth, rule, label)
    shared_labels(runs, truth, rule, [label])
    notes += truth.joined_note((run.media["media_id"] for run in runs), [label])
    footage = footage_of(runs, truth, label)
    check_covered(footage, label)
    return sweep_footage(
        footage,
        label,
        grid or RuleGrid(),
        floor=max(float(run.recipe["score_floor"]) for run in runs),
        matching=matching or Matching(tiou=tiou),
        base=rule.of(label),
        notes=(*truth.notes, *notes),
        progress=progress,
        cancelled=cancelled,
    )


def the_label(
    runs: Sequence[Run], truth: Truth, rule: Rule, label: str | None
) -> tuple[str, list[str]]:
    """The given label, or the only one that there is. Raises SettingError if there are several."""
    if label is not None:
        return label, []
    labels, notes = shared_labels(runs, truth, rule, None)
    if len(labels) > 1:
        raise SettingError(
            f"there are {len(labels)} labels ({', '.join(labels[:5])}); name one with label="
        )
    return labels[0], notes


def check_covered(footage: Sequence[Footage], label: str) -> None:
    """Raises SettingError if no stretch was both watched for the label and analysed."""
    if not any(f.covered_us for f in footage):
        raise SettingError(
            f"no stretch was watched for {label!r}: what a rule missed is not known; mark "
            "coverage, or give truth that names these media"
        )


def sweep_footage(
    footage: Sequence[Footage],
    label: str,
    grid: RuleGrid,
    *,
    floor: float,
    matching: Matching | None = None,
    base: LabelRule | None = None,
    notes: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Sweep:
    """Count every rule of a grid over footage; see `sweep`.

    floor: the runs' score floor; no threshold may lie below it.
    progress: called with the number of clips done and of all; cancelled: asked before each step.

    Raises SettingError for a threshold below the floor or too many rules, LabError if cancelled.
    """
    grid = grid.with_thresholds(footage, floor)
    matching, base = matching or Matching(), base or LabelRule()
    size = int(np.prod(grid.shape))
    if size > MAX_RULES:
        raise SettingError(
            f"the grid has {size:,} rules, at most {MAX_RULES:,} are allowed; give fewer values"
        )
    covered = [f for f in footage if f.covered_us]
    counts = np.zeros((len(covered), size, 3), np.int32)
    for i, clip in enumerate(covered):
        counts[i] = _count_clip(clip, grid, floor, matching, base, cancelled)
        if progress is not None:
            progress(i + 1, len(covered))
    return Sweep(
        label=label,
        grid=grid,
        settings=columns_of(grid),
        counts=counts,
        covered_us=np.array([f.covered_us for f in covered], np.int64),
        media_ids=tuple(f.media_id for f in covered),
        names=tuple(f.name for f in covered),
        sites=tuple(f.site for f in covered),
        nights=tuple(f.night for f in covered),
        floor=floor,
        matching=matching,
        base=base,
        notes=tuple(notes),
        footage=tuple(covered),
    )


def _count_clip(
    clip: Footage,
    grid: RuleGrid,
    floor: float,
    matching: Matching,
    base: LabelRule,
    cancelled: Callable[[], bool],
) -> np.ndarray:
    """int32 (rules, 3) in the grid's order."""
    from lab.evaluation import kernels

    loop = compiled_loop()
    breaks = clip.gaps_for(base.debounce)
    gaps = np.array([seconds_to_us(v) for v in grid.merge_gap_s], np.int64)
    minima = np.array([seconds_to_us(v) for v in grid.min_duration_s], np.int64)
    out = np.zeros((*grid.shape[:-2], len(gaps), len(minima), 3), np.int32)
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
                        clip.pts_us,
                        scores,
                        enter,
                        exit_,
                        needed,
                        needed,
                        leave,
                        0,
                        0,
                        0,
                        False,
                        breaks,
                    )
                    edges = edges_of_rows(rows[:n], clip.pts_us, clip.start_us, clip.end_us)
                    out[a, t, s, e, x] = kernels.count_grid(
                        matching.taken(edges), gaps, minima, clip.covered, clip.present,
                        clip.counted, *matching.arguments,
                    )  # fmt: skip
    return out.reshape(-1, 3)
