"""What to annotate next: where good rules disagree, and near misses.

Query by committee (Seung, Opper and Sompolinsky, COLT 1992): the committee is the Pareto front.
Answers are kept with origin `queue`; no headline figure is made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from lab.errors import SettingError
from lab.rules.replay import replay_rows
from lab.rules.rule import Debounce, LabelRule
from lab.score_log import spans
from lab.tuning.footage import Footage
from lab.tuning.sweep import Sweep

MAX_RULES = 15
PAD_US = 2_000_000
_NEAR = 0.75


@dataclass(frozen=True)
class Question:
    """Was the label there between `start_us` and `end_us`?

    peak_us: the moment to show first. why: what makes it worth asking. priority: higher first.
    """

    media_id: str
    name: str
    label: str
    start_us: int
    end_us: int
    peak_us: int
    why: Literal["disagreement", "near_miss"]
    priority: float
    text: str

    def to_dict(self) -> dict[str, Any]:
        row = asdict(self)
        for name in ("start", "end", "peak"):
            row[f"{name}_s"] = row.pop(f"{name}_us") / 1e6
        return row


def committee(sweep: Sweep | None, base: LabelRule, floor: float) -> list[LabelRule]:
    """The rules that vote: the Pareto front of a sweep, or a spread of thresholds without one."""
    if sweep is not None and len(front := sweep.pareto()):
        picked = front[np.unique(np.linspace(0, len(front) - 1, MAX_RULES).round().astype(int))]
        best = np.argsort(-np.nan_to_num(sweep.figures()["f1"]), kind="stable")[
            : MAX_RULES - len(picked)
        ]
        return [
            sweep.rule(int(i)).default for i in dict.fromkeys([*picked.tolist(), *best.tolist()])
        ]
    thresholds = np.linspace(max(floor, 0.05), 0.9, 9)
    return [
        LabelRule(
            debounce=base.debounce.changed(enter_threshold=float(t), exit_threshold=None),
            box_filter=base.box_filter,
        )
        for t in thresholds
    ]


def questions(
    footage: Sequence[Footage], label: str, rules: Sequence[LabelRule], *, most: int = 20
) -> list[Question]:
    """The best moments to ask about, of footage that nobody watched yet; best first.

    Raises SettingError if `most` is not 1 or more.
    """
    if most < 1:
        raise SettingError(f"most must be 1 or more questions, got {most}")
    out: list[Question] = []
    for clip in footage:
        if not len(clip.pts_us):
            continue
        open_spans = spans.subtraction(np.array([[clip.start_us, clip.end_us]]), clip.covered)
        if not len(open_spans):
            continue
        votes = np.mean([_present(clip, rule) for rule in rules], axis=0)
        unwatched = spans.contains(open_spans, clip.pts_us)
        out += _disagreements(clip, label, np.where(unwatched, votes, 0.0))
        out += _near_misses(clip, label, rules, np.where(unwatched, votes, 1.0), unwatched)
    return sorted(out, key=lambda q: -q.priority)[:most]


def _present(clip: Footage, rule: LabelRule) -> np.ndarray:
    """float64 (n,): 1 where the rule has a sighting."""
    debounce: Debounce = rule.debounce.resolved(clip.interval_us / 1e6)
    rows, n = replay_rows(
        clip.pts_us, clip.scores(rule.box_filter), debounce, clip.gaps_for(debounce)
    )
    steps = np.zeros(len(clip.pts_us) + 1)
    np.add.at(steps, rows[:n, 0], 1)
    np.add.at(steps, rows[:n, 2] + 1, -1)
    return np.minimum(1.0, steps.cumsum()[:-1])


def _disagreements(clip: Footage, label: str, votes: np.ndarray) -> list[Question]:
    out = []
    split = votes * (1 - votes)
    for a, b in spans.true_runs(split > 0):
        peak = a + int(split[a : b + 1].argmax())
        # Long stretches teach more, but not in proportion to their length.
        seconds = (b - a + 1) * clip.interval_us / 1e6
        priority = float(4 * split[a : b + 1].max() * (1 + np.log1p(seconds) / 10))
        share = votes[peak]
        text = f"{share:.0%} of the best rules say it is there"
        out.append(_question(clip, label, a, b, peak, "disagreement", priority, text))
    return out


def _near_misses(
    clip: Footage, label: str, rules: Sequence[LabelRule], votes: np.ndarray, unwatched: np.ndarray
) -> list[Question]:
    """Peaks just below every rule's reach, where no rule has a sighting."""
    reach = float(np.median([r.debounce.enter_threshold for r in rules]))
    scores = clip.scores(rules[0].box_filter)
    low = (votes == 0) & unwatched & (scores >= _NEAR * reach)
    out = []
    for a, b in spans.true_runs(low):
        peak = a + int(scores[a : b + 1].argmax())
        priority = 0.5 * min(1.0, float(scores[peak]) / max(reach, 1e-6))
        text = f"near miss: score {scores[peak]:.2f}, none of the best rules has a sighting"
        out.append(_question(clip, label, a, b, peak, "near_miss", priority, text))
    return out


def _question(
    clip: Footage, label: str, a: int, b: int, peak: int, why: Any, priority: float, text: str
) -> Question:
    start = max(clip.start_us, int(clip.pts_us[a]) - PAD_US)
    end = min(clip.end_us, int(clip.pts_us[b]) + PAD_US)
    return Question(
        clip.media_id, clip.name, label, start, end, int(clip.pts_us[peak]), why, priority, text
    )
