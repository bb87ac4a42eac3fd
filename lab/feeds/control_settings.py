"""A positive control as a feeds file has it: which clip, how often, and what is enough."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import SettingError

EVERY_S = 6 * 3600.0
MIN_RECALL = 0.8
DELIVER_WITHIN_S = 120.0
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, kw_only=True)
class ControlSettings:
    """A control as a feed in a file has it; see `lab.feeds.control.Control`.

    labels: a file with annotations.
    """

    clip: Path
    labels: Path
    every_s: float = EVERY_S
    min_recall: float = MIN_RECALL
    deliver_within_s: float = DELIVER_WITHIN_S


def interval_s(every: str | float) -> float:
    """Seconds of a text such as `6h`, `30m` or `1d`. Raises SettingError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(every))
    seconds = float(match[1]) * _UNITS_S[match[2] or "s"] if match else 0.0
    if not 0 < seconds < math.inf:
        raise SettingError(f"a control is played every so many s, m, h or d, got {every!r}: try 6h")
    return seconds
