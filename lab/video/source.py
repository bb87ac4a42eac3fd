"""The contract of a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from lab.frame import Frame
from lab.video.sampling import Sampling, Window


class Shot(NamedTuple):
    """A frame, and for each analysis the window that it completes, or None."""

    frame: Frame
    windows: tuple[Window | None, ...]


class Source(Protocol):
    """Where frames come from: a context manager that yields its samples in time order.

    A frame that could not be decoded is yielded with its `error`; it is never left out.
    """

    def __enter__(self) -> Source: ...

    def __exit__(self, *exc: object) -> None: ...

    def samples(self, every_s: float, after_us: int | None = None) -> Iterator[Frame]:
        """The frames that the grid of `every_s` chooses, those after `after_us` if given."""
        ...


def shots(
    source: Source, samplings: Sequence[Sampling], after_us: Sequence[int | None]
) -> Iterator[Shot]:
    """Every frame that one of the analyses needs, once, in time order.

    after_us: for each analysis, the time up to which it has been called already.
    """
    several = getattr(source, "shots", None)
    if several is not None:
        yield from several(samplings, after_us)
        return
    if len(samplings) != 1 or not samplings[0].is_plain:
        raise TypeError(f"{type(source).__name__} cannot serve several analyses")
    for frame in source.samples(samplings[0].interval_s, after_us[0]):
        yield Shot(frame, ((frame.index,),))
