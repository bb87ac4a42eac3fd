"""Detectors made by name and settings, with the store that keeps what they compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.detectors import make
from lab.detectors.detector import Detector
from lab.store.store import Store


def make_detector(
    name: str = "yolo", *, store: Store | str | Path | None = None, **settings: Any
) -> Detector:
    """A registered detector, built in or from a plugin; see `lab.detectors.make.make`.

    store: where text embeddings are kept; its folder, or None for the default store.
    """
    return make.make_detector(name, store=Store.coerce(store), **settings)
