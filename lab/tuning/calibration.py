"""What a score means: the probability that the label is there, by a logistic curve.

As Wood and Kahl (Journal of Ornithology 165 (2024) 777) advise for BirdNET, the logit of the score
is the predictor, and all scores down to the floor take part, not only those above a threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.errors import SettingError
from lab.evaluation.rates import proportion_interval
from lab.rules.box_filter import BoxFilter
from lab.score_log import spans
from lab.tuning.footage import Footage

LEVELS = (0.85, 0.9, 0.95, 0.99)
_EDGE = 1e-4


@dataclass(frozen=True, eq=False)
class Calibration:
    """p(there | score) = 1 / (1 + exp(-(intercept + slope * logit(score)))).

    thresholds: score from which p reaches each level; None if no score does, or all do.
    bins: observed shares with exact intervals, to look at the fit. samples, positives: of the fit.
    warning: why it should not be trusted, or None.
    """

    label: str
    intercept: float
    slope: float
    thresholds: dict[float, float | None]
    bins: tuple[dict[str, Any], ...]
    samples: int
    positives: int
    clips: int
    warning: str | None

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """float64, shape of scores."""
        return 1 / (1 + np.exp(-(self.intercept + self.slope * _logit(scores))))

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.label, "intercept": self.intercept, "slope": self.slope,
            "thresholds": {f"{p:g}": t for p, t in self.thresholds.items()},
            "bins": list(self.bins), "samples": self.samples, "positives": self.positives,
            "clips": self.clips, "warning": self.warning,
        }  # fmt: skip


def _logit(scores: np.ndarray) -> np.ndarray:
    p = np.clip(np.asarray(scores, np.float64), _EDGE, 1 - _EDGE)
    return np.log(p / (1 - p))


def samples_with_truth(footage: Sequence[Footage]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of samples in covered stretches, whether the label was there, and the clip's number."""
    scores, there, clip_of = [], [], []
    for i, clip in enumerate(footage):
        if not len(clip.covered):
            continue
        inside = spans.contains(clip.covered, clip.pts_us)
        scores.append(clip.scores(BoxFilter())[inside])
        there.append(spans.contains(clip.present, clip.pts_us)[inside])
        clip_of.append(np.full(int(inside.sum()), i))
    if not scores:
        return np.zeros(0, np.float32), np.zeros(0, bool), np.zeros(0, np.int64)
    return np.concatenate(scores), np.concatenate(there), np.concatenate(clip_of)


def calibrate(footage: Sequence[Footage], label: str) -> Calibration:
    """Fit over samples with a score, in covered stretches.

    Raises SettingError if the label was never there, or always, where it scored.
    """
    from sklearn.linear_model import LogisticRegression

    scores, there, clip_of = samples_with_truth(footage)
    scored = scores > 0
    scores, there, clip_of = scores[scored], there[scored], clip_of[scored]
    positives = int(there.sum())
    if not positives or positives == len(there):
        what = "none lies" if not positives else "every one lies"
        raise SettingError(
            f"the confidence of {label!r} cannot be calibrated: of {len(there)} watched samples with a "
            f"score {what} in an annotation, so there is nothing to tell apart; watch more clips, where "
            "it scores with and without being there"
        )
    model = LogisticRegression(C=1e4, max_iter=1000).fit(_logit(scores)[:, None], there)
    intercept, slope = float(model.intercept_[0]), float(model.coef_[0, 0])
    made = {p: _threshold(p, intercept, slope) for p in LEVELS}
    warning = None
    if slope <= 0:
        warning = (
            "higher scores do not make it likelier: the score says nothing about this label here"
        )
    elif min(positives, len(there) - positives) < 50 or len(set(clip_of.tolist())) < 3:
        warning = (
            "few samples or clips: neighbouring samples are alike, so this is less than it looks"
        )
    return Calibration(
        label, intercept, slope, made, tuple(_bins(scores, there)), len(there), positives,
        len(set(clip_of.tolist())), warning,
    )  # fmt: skip


def _threshold(p: float, intercept: float, slope: float) -> float | None:
    if slope <= 0:
        return None
    x = (np.log(p / (1 - p)) - intercept) / slope
    score = float(1 / (1 + np.exp(-np.clip(x, -40, 40))))
    return score if _EDGE < score < 1 - _EDGE else None


def _bins(scores: np.ndarray, there: np.ndarray, most: int = 10) -> list[dict[str, Any]]:
    edges = np.linspace(0, 1, most + 1)
    at = np.clip(np.searchsorted(edges, scores, "right") - 1, 0, most - 1)
    out = []
    for i in range(most):
        n, k = int((at == i).sum()), int(there[at == i].sum())
        if n:
            low, high = proportion_interval(k, n) or (0.0, 1.0)
            out.append({"from": float(edges[i]), "to": float(edges[i + 1]), "samples": n,
                        "share": k / n, "low": low, "high": high})  # fmt: skip
    return out


def histogram(footage: Sequence[Footage], bins: int = 40) -> dict[str, Any]:
    """Samples by score, apart by truth, in covered stretches; scores of 0 are counted apart."""
    scores, there, _ = samples_with_truth(footage)
    edges = np.linspace(0, 1, bins + 1)
    count = {
        name: np.histogram(scores[(scores > 0) & mask], edges)[0].tolist()
        for name, mask in (("there", there), ("not_there", ~there))
    }
    zero = {
        "there": int(((scores == 0) & there).sum()),
        "not_there": int(((scores == 0) & ~there).sum()),
    }
    return {"edges": edges.tolist(), **count, "without_score": zero}
