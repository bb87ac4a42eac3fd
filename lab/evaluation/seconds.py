"""Two sides compared second by second, and their agreement beyond chance.

Cohen, Educational and Psychological Measurement 20 (1960) 37; the interval as Fleiss, Cohen and
Everitt, Psychological Bulletin 72 (1969) 323.
"""

from __future__ import annotations

import numpy as np

from lab.score_log import spans

SECOND_US = 1_000_000
NO_KAPPA = "one side has it in no second, or in all of them: there is no agreement beyond chance to measure"


def seconds_table(one: np.ndarray, other: np.ndarray, compared: np.ndarray) -> np.ndarray:
    """Seconds by what each side has: int64 (2, 2), absent and present. A second is what its middle is.

    one, other, compared: int64 (n, 2) in microseconds, sorted and disjoint.
    """
    middles = [np.arange(a + SECOND_US // 2, b, SECOND_US) for a, b in compared.tolist()]
    at_us = np.concatenate([np.zeros(0, np.int64), *middles])
    present = [spans.contains(side, at_us).astype(int) for side in (one, other)]
    table = np.zeros((2, 2), np.int64)
    np.add.at(table, (present[0], present[1]), 1)
    return table


def kappa(table: np.ndarray) -> tuple[float, tuple[float, float]] | None:
    """Kappa of a 2 x 2 table and its 95 % interval; None where it is not defined (see NO_KAPPA)."""
    from statsmodels.stats.inter_rater import cohens_kappa

    if not (table.sum(axis=0).all() and table.sum(axis=1).all()):
        return None
    result = cohens_kappa(table)
    return float(result.kappa), (float(result.kappa_low), float(result.kappa_upp))
