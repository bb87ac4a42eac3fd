"""The best rule of a sweep under a goal: its settings from the grid, its threshold exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lab.rules.rule import LabelRule, Rule
from lab.tuning.choice import Goal, choose
from lab.tuning.plateau import Plateau, Scale, best_plateau, scale_of
from lab.tuning.rule_grid import SETTINGS
from lab.tuning.steps import ThresholdSteps, threshold_steps
from lab.tuning.sweep import Sweep


@dataclass(frozen=True, eq=False)
class Found:
    """A rule that was chosen, over some clips.

    position: of the grid's rule with the same other settings. met: whether the goal is reached on
    these clips. plateau: the thresholds that do as well there; None without footage to search.
    counts: int64 (clips, 3), tp, fp, fn of the rule in every clip of the sweep.
    """

    position: int
    met: bool
    rule: Rule
    plateau: Plateau | None
    steps: ThresholdSteps | None
    counts: np.ndarray


@dataclass(eq=False)
class Search:
    """Chooses rules of one sweep; what is counted for one choice is kept for the next."""

    sweep: Sweep
    goal: Goal
    _steps: dict[tuple[float, ...], ThresholdSteps | None] = field(default_factory=dict)

    def best(self, clips: np.ndarray | None = None) -> Found:
        """The rule that serves the goal best over some clips (bool mask; all, unless given)."""
        choice = choose(self.sweep, self.goal, clips)
        steps = self.steps_of(choice.position)
        if steps is None:
            rule = self.sweep.rule(choice.position)
            counts = self.sweep.counts[:, choice.position].astype(np.int64)
            return Found(choice.position, choice.met, rule, None, None, counts)
        plateau, met = best_plateau(steps, self.goal, clips, self.scale)
        rule = self.sweep.rule(choice.position, plateau.middle)
        counts = steps.at(plateau.middle)
        return Found(choice.position, met, rule, plateau, steps, counts)

    def steps_of(self, position: int) -> ThresholdSteps | None:
        """The counts of a rule of the grid at every threshold; None without footage."""
        if not self.sweep.footage:
            return None
        others = [name for name in SETTINGS if name != "enter_threshold"]
        key = tuple(float(self.sweep.settings[name][position]) for name in others)
        if key not in self._steps:
            rule: LabelRule = self.sweep.rule(position).default
            share = float(self.sweep.settings["exit_share"][position])
            self._steps[key] = threshold_steps(
                self.sweep.footage, rule, self.sweep.floor, self.sweep.matching, share
            )
        return self._steps[key]

    @cached_property
    def scale(self) -> Scale:
        """What the middle of a plateau is measured in: from all footage, for every choice."""
        return scale_of(self.sweep.footage, self.sweep.label)
