"""Whether downloads are allowed."""

from __future__ import annotations

from lab.config import load_config


def is_offline() -> bool:
    """Whether the setting `offline`, or a variable of other programs, forbids downloads."""
    return load_config().offline
