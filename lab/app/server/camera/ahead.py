"""What is ready ahead of its time. It knows no clock but the times that it is given."""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar


class _Due(Protocol):
    due: float


T = TypeVar("T", bound=_Due)


class Ahead(Generic[T]):
    """Pictures in the order in which they are due; a few, so that whoever fills it has to wait."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[T] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= self._capacity

    @property
    def next_due(self) -> float | None:
        """When the next one is due; None if there is none."""
        return self._waiting[0].due if self._waiting else None

    def put(self, one: T) -> None:
        self._waiting.append(one)

    def take(self, now: float) -> tuple[T | None, int]:
        """The newest that is due, and how many due ones it has overtaken."""
        found, overtaken = None, -1
        while self._waiting and self._waiting[0].due <= now:
            found, overtaken = self._waiting.popleft(), overtaken + 1
        return found, max(0, overtaken)
