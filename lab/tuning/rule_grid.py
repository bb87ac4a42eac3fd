"""The grid of a sweep: the values of each setting; every combination is a rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import SettingError
from lab.rules.box_filter import BoxFilter
from lab.rules.rule import rule_parameters

if TYPE_CHECKING:
    from lab.tuning.footage import Footage

# In the order of the sweep's loops. All but exit_share are settings of a rule, declared there.
SETTINGS = (
    "min_area_fraction", "enter_threshold", "exit_share", "enter_frames", "exit_frames",
    "merge_gap_s", "min_duration_s",
)  # fmt: skip


def title_of(name: str) -> str:
    """The name of a setting of a sweep on pages, with its unit."""
    if name == "exit_share":
        return "Exit, share of enter"
    declared = rule_parameters()[name]
    unit = declared.unit if declared.kind in ("samples", "seconds") else ""
    return f"{declared.title}, {unit}" if unit else declared.title


def _swept(name: str) -> Any:
    return rule_parameters()[name].swept


@dataclass(frozen=True, kw_only=True)
class RuleGrid:
    """The values of each setting; every combination is a rule.

    enter_threshold: scores; `auto` takes up to `thresholds`, half of them scores that occur, evenly
    spread over them, and half evenly spaced from the floor to the highest score, so that no range
    of the score goes untried.
    exit_share: exit threshold as a share of enter, not below the run's score floor.
    The others are settings of a rule, in its units; see `lab.rules.rule.rule_parameters`.
    Raises SettingError for a value out of range.
    """

    enter_threshold: Sequence[float] | str = "auto"
    exit_share: Sequence[float] = (1.0,)
    enter_frames: Sequence[int] = field(default=_swept("enter_frames"))
    exit_frames: Sequence[int] = field(default=_swept("exit_frames"))
    merge_gap_s: Sequence[float] = field(default=_swept("merge_gap_s"))
    min_duration_s: Sequence[float] = field(default=_swept("min_duration_s"))
    min_area_fraction: Sequence[float] = field(default=_swept("min_area_fraction"))
    thresholds: int = 24

    def __post_init__(self) -> None:
        declared = rule_parameters()
        for name in SETTINGS:
            values = getattr(self, name)
            if isinstance(values, str) and values == "auto" and name == "enter_threshold":
                continue
            if isinstance(values, str) or not hasattr(values, "__iter__"):
                raise SettingError(f"{name} of a sweep must be a list of values, got {values!r}")
            values = tuple(sorted({float(v) for v in values}))
            if not values:
                raise SettingError(f"{name} of a sweep is empty; give at least one value")
            if name in declared:
                values = tuple(declared[name].checked(v) for v in values)
            object.__setattr__(self, name, values)
        if not all(0 < share <= 1 for share in self.exit_share):
            raise SettingError(f"exit_share must be in (0, 1], got {self.exit_share}")
        if not all(area < 1 for area in self.min_area_fraction):
            raise SettingError(f"min_area_fraction must be in [0, 1), got {self.min_area_fraction}")

    def with_thresholds(self, footage: Sequence[Footage], floor: float) -> RuleGrid:
        """`auto` replaced by scores that occur, highest included, and by evenly spaced ones."""
        if not isinstance(self.enter_threshold, str):
            below = [t for t in self.enter_threshold if float(t) < floor]
            if below:
                raise SettingError(
                    f"threshold {below[0]} is below the run's score floor {floor}: the log cannot "
                    "answer it; analyse again with a lower floor"
                )
            return self
        scores = np.concatenate(
            [f.scores(BoxFilter()) for f in footage] or [np.zeros(0, np.float32)]
        )
        occurring = np.unique(scores[scores >= np.float32(floor)]).astype(np.float64)
        occurring = occurring[(occurring > 0) & (occurring >= floor)]
        if not len(occurring):
            return dataclasses.replace(self, enter_threshold=(max(floor, 0.5),))
        even = self.thresholds // 2
        spaced = np.round(np.linspace(floor, occurring[-1], even + 2)[1:-1], 3)
        spaced = spaced[(spaced > occurring[0]) & (spaced < occurring[-1])]
        most = self.thresholds - even
        if len(occurring) > most:
            occurring = occurring[np.linspace(0, len(occurring) - 1, most).round().astype(int)]
        return dataclasses.replace(
            self, enter_threshold=tuple(np.union1d(occurring, spaced).tolist())
        )

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
