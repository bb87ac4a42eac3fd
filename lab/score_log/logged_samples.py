"""What every form of a score log says of its samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class LoggedSamples:
    """The samples of a log; see `lab.score_log.score_log.ScoreLog` for what the attributes are."""

    labels: tuple[str, ...]
    pts_us: np.ndarray
    ok: np.ndarray
    gated: np.ndarray
    reasons: Mapping[int, str]
    missing: Mapping[str, np.ndarray]
    adding: tuple[str, ...]
    damaged: tuple[str, ...]

    def ok_of(self, label: str) -> np.ndarray:
        """bool (n,): the samples on which this label was analysed."""
        missing = self.missing.get(label)
        return self.ok if missing is None else self.ok & ~missing

    def pts_of(self, label: str) -> np.ndarray:
        """The times of the samples on which this label was analysed, one for each score."""
        return self.pts_us[self.ok_of(label)]

    def end_us(self, media_end_us: int, state: str) -> int:
        """Where the log ends: at the media's end, or at the last sample if the run is not done."""
        if state == "done" or not len(self.pts_us):
            return media_end_us
        return int(self.pts_us[-1])

    def reasons_of(self, label: str) -> Mapping[int, str]:
        """Why samples have no score of this label, by position; those still to come included."""
        if label not in self.adding:
            return self.reasons
        later = np.flatnonzero(~self.ok_of(label)).tolist()
        return {**dict.fromkeys(later, "not analysed yet"), **self.reasons}

    @property
    def analysed_pts_us(self) -> np.ndarray:
        """The times of the samples that did not fail."""
        return self.pts_us[self.ok]
