"""In which ways a feed may leave the footage that it is compared with."""

from __future__ import annotations

from typing import Literal, get_args

DriftKind = Literal["brightness", "contrast", "sharpness", "colour", "moved", "scores"]
DRIFT_KINDS: tuple[DriftKind, ...] = get_args(DriftKind)
