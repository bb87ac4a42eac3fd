"""What the footage looked like on which a feed's rule was tuned."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from lab.atomic_file import write_atomically
from lab.errors import LabError
from lab.feeds.picture_figures import EDGES_SIZE, FIGURES

MEASURED = (*FIGURES, "agreement")
SCORE_BUCKET_US = 10_000_000
_LEAST_OF_HOUR = 30
# Dusk comes at another hour of the day some weeks later, and so does infrared.
_NEAR_HOURS = 3
# How far beyond the range a figure may go. Weather is no drift: so much of the range, and so much
# in its own unit at least, or, of figures of which ratios count, by such a factor.
_SHARE = 0.25
_ROOM = {"brightness": 25.0, "contrast": 15.0, "agreement": 0.12}
_FACTOR = {"sharpness": 2.5, "colour": 3.0}


@dataclass(frozen=True, eq=False)
class DriftReference:
    """rows: float32 (n, 5), `MEASURED` of each sample. hours: int8 (n,), the hour of day (UTC) of
    each, -1 where it is not known. edges: float32 (54, 96), mean of all. scores: label to float32:
    the highest score in each 10 s in which it had one. score_hours: label to int8, the hour of each
    of these. made_from: in words. rule_hash: of the rule that was tuned on it, None if it is only
    what the feed saw first. footage: what it is of, as a hash; None where it is not known.
    """

    made_from: str
    rows: np.ndarray
    hours: np.ndarray
    edges: np.ndarray
    scores: Mapping[str, np.ndarray]
    rule_hash: str | None = None
    footage: str | None = None
    score_hours: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def is_tuned(self) -> bool:
        """Whether it is the footage on which the rule was tuned."""
        return self.rule_hash is not None

    def has_hour(self, hour: int) -> bool:
        """Whether something of this hour of day, or near it, is in it; also if no hour is known."""
        known = self.hours[self.hours >= 0]
        return not len(known) or bool(is_near(known, hour).any())

    def range_of(self, figure: str, hour: int | None = None) -> tuple[float, float]:
        """The 1 to 99 % range of a figure; at that hour and those near it, if they were seen."""
        rows = self.rows
        if hour is not None:
            near = is_near(self.hours, hour)
            if near.sum() >= _LEAST_OF_HOUR:
                rows = rows[near]
        low, high = np.percentile(rows[:, MEASURED.index(figure)], [1, 99])
        return float(low), float(high)

    def limits_of(self, figure: str, hour: int | None = None) -> tuple[float, float]:
        """Beyond these a figure has left the range; see `_SHARE`, `_ROOM` and `_FACTOR`."""
        low, high = self.range_of(figure, hour)
        if (factor := _FACTOR.get(figure)) is not None:
            factor = max((high / max(low, 1e-9)) ** _SHARE, factor)
            return low / factor, high * factor
        room = max(_SHARE * (high - low), _ROOM[figure])
        return low - room, high + room

    def scores_near(self, label: str, hour: int) -> list[np.ndarray]:
        """The scores of a label, rising, for each hour of day near this one, with the hour before
        and the hour after it; all of them at once, if no hour is known.
        """
        scores, hours = self.scores[label], self.score_hours.get(label)
        if hours is None or not (hours >= 0).any():
            return [np.sort(scores)]
        shifts = range(-_NEAR_HOURS, _NEAR_HOURS + 1)
        return [np.sort(scores[is_near(hours, (hour + by) % 24, 1)]) for by in shifts]

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": 1,
            "made_from": self.made_from,
            "rule_hash": self.rule_hash,
            "measured": list(MEASURED),
            "rows": [[float(f"{value:.5g}") for value in row] for row in self.rows],
            "hours": self.hours.tolist(),
            "edges": base64.b64encode(np.rint(self.edges * 255).astype(np.uint8)).decode(),
            "scores": {
                label: [round(float(v), 4) for v in one] for label, one in self.scores.items()
            },
            "score_hours": {label: one.tolist() for label, one in self.score_hours.items()},
            "footage": self.footage,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raises LabError for what is no reference of this version."""
        try:
            if values["version"] != 1 or values["measured"] != list(MEASURED):
                raise ValueError
            edges = np.frombuffer(base64.b64decode(values["edges"]), np.uint8)
            return cls(
                made_from=str(values["made_from"]),
                rule_hash=values["rule_hash"],
                rows=np.array(values["rows"], np.float32).reshape(-1, len(MEASURED)),
                hours=np.array(values["hours"], np.int8),
                edges=edges.reshape(EDGES_SIZE[::-1]).astype(np.float32) / 255,
                scores={k: np.array(v, np.float32) for k, v in values["scores"].items()},
                score_hours={
                    k: np.array(v, np.int8) for k, v in values.get("score_hours", {}).items()
                },
                footage=values.get("footage"),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise LabError(
                "the reference for drift cannot be read; remove it, and it is made again"
            ) from None

    def save(self, file: Path) -> None:
        """Raises OSError."""
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps(self.to_dict()))

    @classmethod
    def load(cls, file: Path) -> Self | None:
        """None where there is no file. Raises LabError for one that cannot be read."""
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            values = {}
        return cls.from_dict(values)


def hour_of(wall_time: float | None) -> int:
    """The hour of day in UTC, -1 where it is not known."""
    return -1 if wall_time is None else time.gmtime(wall_time).tm_hour


def is_near(hours: np.ndarray, hour: int, most: int = _NEAR_HOURS) -> np.ndarray:
    """bool (n,): which of the hours of day are this one, or at most so many before or after it."""
    apart = np.abs(hours.astype(int) - hour)
    return (hours >= 0) & (np.minimum(apart, 24 - apart) <= most)
