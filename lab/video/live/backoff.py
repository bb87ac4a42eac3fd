"""How long to wait before a connection is tried again."""

from __future__ import annotations

import random
from collections.abc import Sequence

DELAYS_S = (2.0, 5.0, 15.0, 30.0, 60.0)
HEALTHY_S = 60.0
_JITTER = 0.2


class Backoff:
    """Rising delays, for ever; from the beginning again after a minute of health.

    jitter: gives a number in [0, 1); by default a random one, so that feeds that fell together
    do not come back together. delays_s: rising; the last one stays.
    """

    def __init__(
        self, jitter: random.Random | None = None, delays_s: Sequence[float] = DELAYS_S
    ) -> None:
        self._random = jitter or random.Random()
        self._delays_s = tuple(delays_s)
        self._failures = 0

    def failed(self, healthy_s: float) -> float:
        """Seconds to wait, after a connection that gave frames for `healthy_s` seconds."""
        if healthy_s >= HEALTHY_S:
            self._failures = 0
        delay_s = self._delays_s[min(self._failures, len(self._delays_s) - 1)]
        self._failures += 1
        return delay_s * (1 + _JITTER * (2 * self._random.random() - 1))
