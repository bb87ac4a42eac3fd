"""Which sighting matches which annotation.

One to one, and as many pairs as possible; among those, the pairs with the largest sum of temporal
IoU. Two criteria for a pair:

- `tiou`: temporal intersection over union of at least `tiou` (ActivityNet, Caba Heilbron et al.,
  CVPR 2015; there greedily by confidence, here by assignment, so that the order does not matter).
- `collar`: onsets at most `collar_s` apart, and offsets at most max(`collar_s`, `collar_share` x
  length of the annotation) (sed_eval, Mesaros et al., Applied Sciences 6 (2016) 162).

A sampled sighting knows its edges only as brackets (the sample before and the sample at an edge).
`edges` says what they are taken to be: `bracket`, the moment within the bracket that is nearest to
the annotation, so that sampling is not counted as error; `observed`, first and last sample seen;
`held`, each sample's score holding until the next one (the convention of sed_scores_eval).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from lab.errors import SettingError
from lab.rules.replay import AFTER_GAP, CLOSED_BY_GAP, OPEN_AT_END
from lab.sighting import Sighting

TIOUS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))


@dataclass(frozen=True, kw_only=True)
class Matching:
    """The matching rule. Raises SettingError for values out of range."""

    criterion: Literal["tiou", "collar"] = "tiou"
    tiou: float = 0.5
    collar_s: float = 0.2
    collar_share: float = 0.5
    edges: Literal["bracket", "observed", "held"] = "bracket"
    edge_tolerance_s: float = 0.2

    def __post_init__(self) -> None:
        if self.criterion not in ("tiou", "collar"):
            raise SettingError(f"criterion must be tiou or collar, got {self.criterion!r}")
        if self.edges not in ("bracket", "observed", "held"):
            raise SettingError(f"edges must be bracket, observed or held, got {self.edges!r}")
        if not 0 < self.tiou <= 1:
            raise SettingError(f"tiou must be in (0, 1], got {self.tiou}")
        for name in ("collar_s", "collar_share", "edge_tolerance_s"):
            if not 0 <= getattr(self, name) <= 1e6:
                raise SettingError(f"{name} must be 0 or more, got {getattr(self, name)}")

    @property
    def arguments(self) -> tuple[int, float, int, float]:
        """As the kernels take them."""
        mode = 0 if self.criterion == "tiou" else 1
        return mode, float(self.tiou), round(self.collar_s * 1e6), float(self.collar_share)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def taken(self, edges: np.ndarray) -> np.ndarray:
        """Edges by this convention. edges: int64 (n, 4), as of `Presences`."""
        if self.edges == "bracket":
            return edges
        columns = [1, 1, 2, 2] if self.edges == "observed" else [1, 1, 3, 3]
        return np.ascontiguousarray(edges[:, columns])


@dataclass(frozen=True, eq=False)
class Presences:
    """Sightings of one label in one media, as columns.

    edges: int64 (n, 4) in microseconds: onset_earliest, onset, offset, offset_latest; sorted.
    confirmed_us: int64 (n,). censored: bool (n, 2), at the media's beginning, at its end.
    """

    edges: np.ndarray
    confirmed_us: np.ndarray
    censored: np.ndarray

    @classmethod
    def of_sightings(cls, sightings: Iterable[Sighting]) -> Presences:
        """Of one label, in order of time."""
        found = list(sightings)
        edges = [(s.onset_earliest_us, s.onset_us, s.offset_us, s.offset_latest_us) for s in found]
        return cls(
            np.array(edges, np.int64).reshape(-1, 4),
            np.array([s.confirmed_us for s in found], np.int64),
            np.array([(s.censored_left, s.censored_right) for s in found], bool).reshape(-1, 2),
        )

    @classmethod
    def from_rows(
        cls, rows: np.ndarray, pts_us: np.ndarray, start_us: int, end_us: int
    ) -> Presences:
        """From `lab.rules.replay.replay_rows`, without making sightings."""
        return cls(
            edges_of_rows(rows, pts_us, start_us, end_us),
            pts_us[rows[:, 1]],
            np.stack(
                [
                    (rows[:, 0] == 0) | (rows[:, 6] & AFTER_GAP > 0),
                    rows[:, 6] & (OPEN_AT_END | CLOSED_BY_GAP) > 0,
                ],
                axis=1,
            ),
        )


def edges_of_rows(rows: np.ndarray, pts_us: np.ndarray, start_us: int, end_us: int) -> np.ndarray:
    """int64 (n, 4) in microseconds, from rows of sample positions."""
    if not len(rows):
        return np.zeros((0, 4), np.int64)
    around = np.concatenate([[min(start_us, pts_us[0])], pts_us, [max(end_us, pts_us[-1])]])
    onset, offset, flags = rows[:, 0], rows[:, 2], rows[:, 6]
    before = onset + (flags & AFTER_GAP > 0)
    after = offset + 2 - ((flags & CLOSED_BY_GAP > 0) & (rows[:, 3] == offset))
    return np.stack([around[before], pts_us[onset], pts_us[offset], around[after]], axis=1)


def match(
    edges: np.ndarray, truth: np.ndarray, matching: Matching
) -> tuple[np.ndarray, np.ndarray]:
    """For each sighting its annotation or -1, and the temporal IoU of the pair.

    edges: int64 (n, 4), taken by the matching's convention. truth: int64 (m, 2). Both sorted.
    """
    from lab.evaluation import kernels

    first, which, ratio = kernels.candidates(edges, truth, *matching.arguments)
    match_of, _ = kernels.largest_matching(first, which, len(truth))
    if len(which) > len(edges) or (np.diff(first) > 1).any() or len(np.unique(which)) < len(which):
        match_of = _best_of_largest(first, which, ratio, match_of, len(truth))
    tious = np.zeros(len(edges))
    left = np.repeat(np.arange(len(edges)), np.diff(first))
    taken = which == match_of[left]
    tious[left[taken]] = ratio[taken]
    return match_of, tious


def warm_up() -> None:
    """Compile, so that the first figures do not wait for it."""
    from lab.evaluation import kernels

    edges, truth = np.array([[0, 1, 2, 3]], np.int64), np.array([[0, 3]], np.int64)
    kernels.clip_edges(edges, truth)
    kernels.touches(edges, truth)
    match(edges, truth, Matching())
    counted = np.ones(1, bool)
    kernels.uncounted(edges, truth, counted, np.zeros(2, np.int64))
    kernels.count_matches(edges, truth, counted, *Matching().arguments)


def _best_of_largest(
    first: np.ndarray, which: np.ndarray, ratio: np.ndarray, match_of: np.ndarray, m: int
) -> np.ndarray:
    """Where matches compete, the assignment with the largest sum of IoU among the largest ones."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(first) - 1
    left = np.repeat(np.arange(n), np.diff(first))
    graph = coo_array((np.ones(len(which)), (left, n + which)), shape=(n + m, n + m))
    _, group = connected_components(graph, directed=False)
    out = match_of.copy()
    sizes = np.bincount(group)
    for g in np.flatnonzero(sizes > 2).tolist():
        edge = group[left] == g
        lefts, rights = np.unique(left[edge]), np.unique(which[edge])
        gain = np.zeros((len(lefts), len(rights)))
        place = np.searchsorted(lefts, left[edge]), np.searchsorted(rights, which[edge])
        gain[place] = 1 + ratio[edge] / (1 + min(gain.shape))
        out[lefts] = -1
        for i, j in zip(*linear_sum_assignment(gain, maximize=True), strict=True):
            if gain[i, j] > 0:
                out[lefts[i]] = rights[j]
    return out
