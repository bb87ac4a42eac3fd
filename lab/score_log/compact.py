"""A score log without its boxes: what rules without a box filter, figures and sweeps need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lab.errors import SettingError, closest
from lab.score_log.logged_samples import LoggedSamples
from lab.score_log.score_log import ScoreLog


@dataclass(frozen=True, eq=False)
class CompactLog(LoggedSamples):
    """The scores of a log, some twenty times smaller than the log.

    Its attributes are those of `ScoreLog`, as far as they need no box. samples_of: for each label
    that was found, the samples with a score above 0, int32 (k,), and these scores, float32 (k,).
    """

    labels: tuple[str, ...]
    pts_us: np.ndarray
    ok: np.ndarray
    gated: np.ndarray
    reasons: Mapping[int, str]
    missing: Mapping[str, np.ndarray]
    adding: tuple[str, ...]
    damaged: tuple[str, ...]
    samples_of: Mapping[str, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, log: ScoreLog) -> CompactLog:
        """The compact form of a log."""
        samples_of = {}
        for label in log.labels:
            scores = log.dense_scores(label)
            seen = np.flatnonzero(scores)
            if len(seen):
                samples_of[label] = (seen.astype(np.int32), scores[seen])
        return cls(
            labels=log.labels,
            pts_us=log.pts_us.copy(),  # else the tables that were read stay in memory
            ok=log.ok,
            gated=log.gated,
            reasons=log.reasons,
            missing=log.missing,
            adding=log.adding,
            damaged=log.damaged,
            samples_of=samples_of,
        )

    def scores(self, label: str) -> np.ndarray:
        """As `ScoreLog.scores` gives them without a filter. Raises SettingError likewise."""
        if label not in self.labels:
            raise SettingError(
                f"the run has no label {label!r}; {closest(label, list(self.labels))}"
            )
        scores = np.zeros(len(self.pts_us), np.float32)
        if label in self.samples_of:
            seen, values = self.samples_of[label]
            scores[seen] = values
        is_whole = label not in self.missing and bool(self.ok.all())
        return scores if is_whole else scores[self.ok_of(label)]

    @property
    def nbytes(self) -> int:
        """Bytes of memory, about."""
        pairs = sum(seen.nbytes + values.nbytes for seen, values in self.samples_of.values())
        return self.pts_us.nbytes + self.ok.nbytes + self.gated.nbytes + pairs + 2000
