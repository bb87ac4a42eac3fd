"""How the state of a run is told to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def state_in_words(row: Mapping[str, Any]) -> str:
    """The state, but of a feed that it was `stopped`, or `cut off` where its process was killed:
    what is never done is not cancelled, either.

    row: of the run, with state, error and environment.
    """
    state = str(row["state"])
    if state != "cancelled" or not (row.get("environment") or {}).get("feed"):
        return state
    return "cut off" if row.get("error") else "stopped"
