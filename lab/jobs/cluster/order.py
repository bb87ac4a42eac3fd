"""What the driver asks of a worker of a cluster, and what it answers: plain values."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lab.runs.pieces import PieceResult, Stretch


@dataclass(frozen=True)
class Order:
    """A clip, or a stretch of one, to be analysed; without a `place` only the detectors are loaded.

    analyses: as a worker takes them (`lab.jobs.batch.work.Work`). version: the lab's, of the
    driver. piece_samples: split the clip into stretches of so many samples, and analyse it only if
    there is a single one; 0: analyse `stretch`. parts: into so many stretches at least, where there
    are samples enough. media_id: that the clip must have.
    """

    version: str
    analyses: Sequence[Mapping[str, Any]]
    place: str | None = None
    stretch: Stretch = field(default_factory=Stretch)
    piece_samples: int = 0
    parts: int = 1
    media_id: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Description:
    """A detector that was loaded elsewhere: what the store keeps of it."""

    labels: Sequence[str]
    recipe: Mapping[str, Any]
    default_threshold: float
    weights_path: str | None
    made_from: Mapping[str, Any] | None
    is_stateful: bool


@dataclass(frozen=True)
class Answer:
    """media: facts of the clip (`Media.to_dict`). counts: samples to expect, an analysis.
    stretches: those that are still to be analysed. result: of the one that was. opening_s: to open
    the clip. decoded_on: the device. error: class and text of why nothing could be done. missing:
    files of the order that are not there. host: where it was done.
    """

    host: str
    detectors: Sequence[Description] = ()
    media: Mapping[str, Any] | None = None
    counts: Sequence[int | None] = ()
    stretches: Sequence[Stretch] = ()
    result: PieceResult | None = None
    opening_s: float = 0.0
    decoded_on: str = "cpu"
    error: tuple[str, str] | None = None
    missing: Sequence[str] = ()


class TakesOrders(Protocol):
    """Where orders are done: a cluster, or a worker that came for them."""

    def run(
        self, orders: Sequence[Order], is_cancelled: Callable[[], bool] = ...
    ) -> Generator[Answer]:
        """The answers, in the order of the orders; several of one order, each with what was found
        since the one before, where it is told piece by piece.

        Raises what `lab.jobs.cluster.tasks.Tasks.run` does.
        """
        ...

    def warm(self, order: Order, count: int) -> None:
        """Have detectors loaded in so many places."""
        ...

    def close(self) -> None: ...
