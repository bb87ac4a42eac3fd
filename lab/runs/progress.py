"""How far a run is, and how that is reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class Progress:
    """How far a run is. total: samples to expect, None if unknown."""

    run_id: str = ""

    samples: int = 0
    failed: int = 0
    gated: int = 0
    total: int | None = None
    elapsed_s: float = 0.0


Report = Callable[[Progress], None]


class reporter:
    """A progress bar, a function, or nothing, as a context that gives the function to call."""

    def __init__(self, progress: bool | Report, name: str) -> None:
        self._progress, self._name = progress, name
        self._bar: Any = None

    def __enter__(self) -> Report | None:
        if not isinstance(self._progress, bool):
            return self._progress
        if not self._progress:
            return None
        from tqdm.auto import tqdm

        self._bar = tqdm(desc=self._name, unit="sample")
        return self._update

    def _update(self, progress: Progress) -> None:
        self._bar.total = progress.total
        self._bar.update(progress.samples - self._bar.n)

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()
