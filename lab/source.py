"""The contract of a source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from lab.frame import Frame


class Source(Protocol):
    """Where frames come from: a context manager that yields its samples in time order.

    A frame that could not be decoded is yielded with its `error`; it is never left out.
    """

    def __enter__(self) -> Source: ...

    def __exit__(self, *exc: object) -> None: ...

    def samples(self, every_s: float, after_us: int | None = None) -> Iterator[Frame]:
        """The frames that the grid of `every_s` chooses, those after `after_us` if given."""
        ...
