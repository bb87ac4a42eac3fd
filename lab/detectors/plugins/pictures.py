"""Pictures of their own for third-party detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lab.frame import Frame


def copied(frames: Sequence[Frame]) -> list[Frame]:
    """The frames with copies of their pictures, so that drawing on them affects nothing else."""
    return [f if f.image_bgr is None else replace(f, image_bgr=f.image_bgr.copy()) for f in frames]
