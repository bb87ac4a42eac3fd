"""Which clips are held out together.

Whole sites where there are several, else whole nights, else whole clips (Roberts et al., Ecography
40 (2017) 913): neighbouring footage is alike, and a fold that splits it flatters the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MAX_FOLDS = 10


@dataclass(frozen=True, eq=False)
class Folds:
    """Which clips are held out together. by: `site`, `night` or `clip`. group: (clips,) numbers.

    fold: (clips,), which fold a clip is held out in; a group is never split.
    """

    by: str
    group: np.ndarray
    names: tuple[str, ...]
    fold: np.ndarray
    seed: int


def make_folds(
    clips: Sequence[str],
    sites: Sequence[str | None],
    nights: Sequence[str | None],
    seed: int = 0,
) -> Folds:
    """Whole sites where there are several; else whole nights; else whole clips.

    clips, sites, nights: the name, site and night of each clip.
    """
    if len(set(sites)) > 1:
        # A clip without a site belongs to no known group: it stands for itself.
        by, keys = "site", [s or f"clip {n}" for s, n in zip(sites, clips, strict=True)]
    elif len(set(nights)) > 1 and None not in nights:
        by, keys = "night", [str(n) for n in nights]
    else:
        by, keys = "clip", list(clips)
    names, group = np.unique(np.array(keys, object).astype(str), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names)) % min(MAX_FOLDS, max(1, len(names)))
    return Folds(by, group, tuple(names.tolist()), place[group], seed)
