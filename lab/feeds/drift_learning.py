"""Learning what the footage of a feed looks like, over restarts of its process."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from lab.atomic_file import write_atomically
from lab.feeds.drift_reference import SCORE_BUCKET_US, DriftReference, hour_of
from lab.feeds.picture_figures import EDGES_SIZE, PictureFigures, agreement

_VERSION = 1
_MOST_ROWS = 1500
_MOST_PICTURES = 128
_MOST_SCORES = 500
# Between two samples; more than this is a gap, in which nothing was learnt.
_MOST_STEP_US = 600_000_000


@dataclass
class ReferenceMaker:
    """Is shown samples, and makes a reference of them. made_from: in words.

    Of many it keeps some, evenly, and the edges of fewer: what it holds stays below a megabyte for
    each feed, however long it is shown something.

    covered_us: the media time that it was shown, without gaps.
    """

    made_from: str
    _rows: list[tuple[int, tuple[float, ...]]] = field(default_factory=list)
    _every: int = 1
    # Edges of a byte each; so many rows that follow one another have the same.
    _pictures: list[np.ndarray] = field(default_factory=list)
    _rows_of_picture: int = 1
    _count: int = 0
    _edges: np.ndarray = field(default_factory=lambda: np.zeros(EDGES_SIZE[::-1], np.float64))
    _highest: dict[str, _Highest] = field(default_factory=dict)
    _last_us: int | None = None
    covered_us: int = 0

    def begin(self) -> None:
        """Another run begins, with a media time of its own."""
        self._last_us = None

    def take(
        self,
        pts_us: int,
        wall_time: float | None,
        figures: PictureFigures,
        scores: Mapping[str, float],
    ) -> None:
        """wall_time: Unix seconds, None if it is not known when this was."""
        if self._last_us is not None:
            self.covered_us += min(max(0, pts_us - self._last_us), _MOST_STEP_US)
        self._last_us = pts_us
        self._edges += figures.edges
        hour = hour_of(wall_time)
        if self._count % self._every == 0:
            self._keep(hour, figures)
        self._count += 1
        for label, score in scores.items():
            known = self._highest.setdefault(label, _Highest())
            known.take(pts_us // SCORE_BUCKET_US, hour, score)

    def _keep(self, hour: int, figures: PictureFigures) -> None:
        if len(self._rows) % self._rows_of_picture == 0:
            self._pictures.append(np.rint(figures.edges * 255).astype(np.uint8))
        self._rows.append((hour, figures.values()))
        if len(self._pictures) > _MOST_PICTURES:
            self._pictures, self._rows_of_picture = self._pictures[::2], self._rows_of_picture * 2
        if len(self._rows) >= _MOST_ROWS:
            self._rows, self._every = self._rows[::2], self._every * 2
            self._rows_of_picture //= 2

    def made(self) -> DriftReference | None:
        """None while nothing was seen."""
        if not self._rows:
            return None
        edges = (self._edges / self._count).astype(np.float32)
        on_place = [agreement(one, edges) for one in self._pictures]
        rows = [
            (*values, on_place[at // self._rows_of_picture])
            for at, (_, values) in enumerate(self._rows)
        ]
        kept = {label: known.thinned() for label, known in self._highest.items()}
        return DriftReference(
            made_from=self.made_from,
            rows=np.array(rows, np.float32),
            hours=np.array([hour for hour, _ in self._rows], np.int8),
            edges=edges,
            scores={label: scores for label, (scores, _) in kept.items()},
            score_hours={label: hours for label, (_, hours) in kept.items()},
        )

    def save(self, file: Path, footage: str) -> None:
        """So that another process goes on. footage: what it was shown. Raises OSError."""
        about = {
            "version": _VERSION,
            "footage": footage,
            "made_from": self.made_from,
            "every": self._every,
            "rows_of_picture": self._rows_of_picture,
            "count": self._count,
            "covered_us": self.covered_us,
            "scores": {label: vars(known) for label, known in self._highest.items()},
        }
        whole = io.BytesIO()
        np.savez_compressed(
            whole,
            about=np.frombuffer(json.dumps(about).encode(), np.uint8),
            hours=np.array([hour for hour, _ in self._rows], np.int8),
            rows=np.array([values for _, values in self._rows], np.float64),
            pictures=np.array(self._pictures, np.uint8).reshape(-1, *EDGES_SIZE[::-1]),
            edges=self._edges,
        )
        write_atomically(file, whole.getvalue())

    @classmethod
    def load(cls, file: Path, footage: str) -> Self | None:
        """What was saved of the same footage; None where there is none that can be read."""
        try:
            with np.load(file, allow_pickle=False) as kept:
                about: dict[str, Any] = json.loads(kept["about"].tobytes())
                if (about["version"], about["footage"]) != (_VERSION, footage):
                    return None
                rows = [tuple(row) for row in kept["rows"].tolist()]
                return cls(
                    str(about["made_from"]),
                    _rows=list(zip(kept["hours"].tolist(), rows, strict=True)),
                    _every=int(about["every"]),
                    _pictures=list(kept["pictures"]),
                    _rows_of_picture=int(about["rows_of_picture"]),
                    _count=int(about["count"]),
                    _edges=kept["edges"],
                    _highest={k: _Highest(**v) for k, v in about["scores"].items()},
                    covered_us=int(about["covered_us"]),
                )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None


@dataclass
class _Highest:
    """The highest score in each 10 s in which there was one; of many 10 s only some, evenly."""

    scores: list[float] = field(default_factory=list)
    hours: list[int] = field(default_factory=list)
    every: int = 1
    count: int = 0
    bucket: int | None = None
    is_kept: bool = True

    def take(self, bucket: int, hour: int, score: float) -> None:
        if bucket != self.bucket:
            self.bucket, self.is_kept = bucket, self.count % self.every == 0
            self.count += 1
            if self.is_kept:
                self.scores.append(score)
                self.hours.append(hour)
        elif self.is_kept:
            self.scores[-1] = max(score, self.scores[-1])
        if len(self.scores) > 2 * _MOST_SCORES:
            self.scores, self.hours, self.every = self.scores[::2], self.hours[::2], self.every * 2

    def thinned(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores, float32, and their hours, int8."""
        scores, hours = np.array(self.scores, np.float32), np.array(self.hours, np.int8)
        if len(scores) <= _MOST_SCORES:
            return scores, hours
        chosen = np.linspace(0, len(scores) - 1, _MOST_SCORES).round().astype(int)
        return scores[chosen], hours[chosen]
