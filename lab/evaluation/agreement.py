"""Whether two annotators say the same: agreement, and kappa per second."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from lab.annotation import Annotation, Coverage
from lab.errors import SettingError, closest
from lab.evaluation.matching import Matching, match
from lab.evaluation.rates import ratio
from lab.evaluation.seconds import NO_KAPPA, kappa, seconds_table
from lab.score_log import spans


def agreement(
    annotations: Iterable[Annotation],
    coverage: Iterable[Coverage],
    one: str,
    other: str,
    *,
    tiou: float = 0.5,
) -> dict[str, Any]:
    """Per label and over all, on what both have watched.

    For each label: `seconds` compared, `agreement` (share of them), `kappa`, and presences that
    both marked (`both`), or only one of them (`only_one`, `only_other`), at the temporal IoU;
    `refused` says why kappa is None.

    Raises SettingError if they have watched nothing in common.
    """
    marks, watched = list(annotations), list(coverage)
    for name in (one, other):
        annotators = sorted({c.annotator for c in watched})
        if name not in annotators:
            raise SettingError(f"{name!r} has watched nothing here; {closest(name, annotators)}")
    rows: dict[str, dict[str, Any]] = {}
    table_all = np.zeros((2, 2), np.int64)
    for label in sorted({c.label for c in watched}):
        table, events = np.zeros((2, 2), np.int64), np.zeros(3, np.int64)
        for media_id in sorted({c.media_id for c in watched if c.label == label}):
            sides = [_of(marks, watched, media_id, label, name) for name in (one, other)]
            both = spans.intersection(sides[0][1], sides[1][1])
            if not len(both):
                continue
            table += seconds_table(sides[0][0], sides[1][0], both)
            events += _events(sides[0][0], sides[1][0], both, tiou)
        if table.sum():
            rows[label] = _row(table, events)
            table_all += table
    if not rows:
        raise SettingError(
            f"{one!r} and {other!r} have watched nothing in common; cover the same stretches"
        )
    overall = _row(
        table_all,
        np.sum([[r["both"], r["only_one"], r["only_other"]] for r in rows.values()], axis=0),
    )
    return {"one": one, "other": other, "overall": overall, "labels": rows}


def _of(
    marks: list[Annotation], watched: list[Coverage], media_id: str, label: str, name: str
) -> tuple[np.ndarray, np.ndarray]:
    def is_own(r: Annotation | Coverage) -> bool:
        return r.media_id == media_id and r.label == label and r.annotator == name

    return (
        spans.union((a.start_us, a.end_us) for a in marks if is_own(a)),
        spans.union((c.start_us, c.end_us) for c in watched if is_own(c)),
    )


def _events(one: np.ndarray, other: np.ndarray, both: np.ndarray, tiou: float) -> np.ndarray:
    left, right = spans.intersection(one, both), spans.intersection(other, both)
    match_of, _ = match(np.ascontiguousarray(left[:, [0, 0, 1, 1]]), right, Matching(tiou=tiou))
    n = int((match_of >= 0).sum())
    return np.array([n, len(left) - n, len(right) - n])


def _row(table: np.ndarray, events: np.ndarray) -> dict[str, Any]:
    n, beyond_chance = int(table.sum()), kappa(table)
    return {
        "seconds": n,
        "agreement": ratio(int(np.trace(table)), n),
        "kappa": None if beyond_chance is None else beyond_chance[0],
        "kappa_interval": None if beyond_chance is None else list(beyond_chance[1]),
        "both": int(events[0]),
        "only_one": int(events[1]),
        "only_other": int(events[2]),
        "refused": {"kappa": NO_KAPPA} if beyond_chance is None else {},
    }
