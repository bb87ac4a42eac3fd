"""Engines side by side, each of which does one clip of a batch at a time."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

from lab.errors import SettingError
from lab.jobs.engine import Engine
from lab.jobs.local import LocalEngine

_MOST_WORKERS = 64


class EngineGroup(ABC):
    """Gives a batch its engines; a context manager that ends what these share.

    count: how many clips are done at the same time, where there are as many.
    """

    count: int = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @abstractmethod
    def engines(self, count: int, *, trust: bool = True) -> Sequence[Engine]:
        """So many engines, which the caller closes.

        trust: False for what a page asked for, which may name only what a page may. Raises
        SettingError if these engines cannot tell the two.
        """

    def close(self) -> None:  # noqa: B027 (processes of this machine share nothing)
        """End what the engines share; calling it twice is fine."""


class LocalEngines(EngineGroup):
    """Processes on this machine, each with its model. Raises SettingError."""

    def __init__(self, workers: int | None = None) -> None:
        self.count = checked_workers(workers, usual_workers())

    def engines(self, count: int, *, trust: bool = True) -> Sequence[Engine]:
        cores = os.cpu_count() or 1
        threads = max(1, cores // count) if count > 1 else None
        return [LocalEngine(trust=trust, threads=threads, is_apart=True) for _ in range(count)]


def usual_workers() -> int:
    """As many as pay: a worker decodes in one thread and analyses pictures side by side in others.

    On two cores a second one made each short clip 1.27 times the work (benchmarks/bench_batch.py).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // 2)


def checked_workers(workers: int | None, usual: int, most: int = _MOST_WORKERS) -> int:
    """Raises SettingError."""
    if workers is None:
        return usual
    if isinstance(workers, bool) or not 1 <= workers <= most:
        raise SettingError(f"workers must be 1 to {most}, got {workers!r}")
    return workers
