"""Whether downloads are allowed."""

from __future__ import annotations

import os

VARIABLES = ("LAB_OFFLINE", "YOLO_OFFLINE", "HF_HUB_OFFLINE")


def is_offline() -> bool:
    """Whether one of the variables forbids downloads."""
    return any(
        os.environ.get(n, "").strip().lower() in ("1", "true", "yes", "on") for n in VARIABLES
    )
