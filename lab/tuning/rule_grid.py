"""The grid of a sweep: the values of each setting; every combination is a rule."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import SettingError
from lab.rules.box_filter import BoxFilter
from lab.rules.rule import Debounce

if TYPE_CHECKING:
    from lab.tuning.footage import Footage

SETTINGS = (
    "min_area_fraction", "enter_threshold", "exit_share", "enter_frames", "exit_frames",
    "merge_gap_s", "min_duration_s",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RuleGrid:
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
                if any(v != int(v) for v in values):
                    raise SettingError(
                        f"{f.name} of a sweep counts samples: whole numbers, got {list(values)}"
                    )
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

    def with_thresholds(self, footage: Sequence[Footage], floor: float) -> RuleGrid:
        """`auto` replaced by scores that occur, evenly spread over them, highest included."""
        if not isinstance(self.enter_threshold, str):
            below = [t for t in self.enter_threshold if float(t) < floor]
            if below:
                raise SettingError(
                    f"threshold {below[0]} is below the run's score_floor {floor}: the log cannot "
                    "answer it; analyse again with a lower floor"
                )
            return self
        scores = np.concatenate(
            [f.scores(BoxFilter()) for f in footage] or [np.zeros(0, np.float32)]
        )
        seen = np.unique(scores[scores >= np.float32(floor)]).astype(np.float64)
        seen = seen[(seen > 0) & (seen >= floor)]
        if not len(seen):
            return dataclasses.replace(self, enter_threshold=(max(floor, 0.5),))
        if len(seen) > self.thresholds:
            seen = seen[
                np.unique(np.linspace(0, len(seen) - 1, self.thresholds).round().astype(int))
            ]
        return dataclasses.replace(self, enter_threshold=tuple(seen.tolist()))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(getattr(self, name)) for name in SETTINGS)

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def exit_of(enter: float, share: float, floor: float) -> float:
    """The exit threshold: a share of enter, not below the floor."""
    return enter if share == 1 else max(min(enter, floor), enter * share)


def columns_of(grid: RuleGrid) -> dict[str, np.ndarray]:
    """Name to float64 (n,), one value a rule, in the grid's order."""
    axes = [np.asarray(getattr(grid, name), np.float64) for name in SETTINGS]
    return dict(zip(SETTINGS, (a.ravel() for a in np.meshgrid(*axes, indexing="ij")), strict=True))
