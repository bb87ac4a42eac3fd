"""The engines of a batch on a cluster, which share one connection."""

from __future__ import annotations

from collections.abc import Sequence

from lab.errors import SettingError
from lab.jobs.batch.engine_group import EngineGroup, checked_workers
from lab.jobs.cluster.clip import PIECE_SAMPLES
from lab.jobs.cluster.connection import Cluster
from lab.jobs.cluster.engine import RayEngine
from lab.jobs.cluster.tasks import Share
from lab.jobs.engine import Engine

_MOST = 512  # clips at the same time, a thread of the driver each


class RayEngines(EngineGroup):
    """A Ray cluster; see `lab.jobs.cluster.connection.Cluster` for `address`.

    workers: clips at the same time; by default a few more than the nodes hold, so that none waits
        for the driver. cpus, gpus: what a clip takes of a node. piece_samples: a long clip is split
        into stretches of so many samples.

    Raises SettingError, JobError.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        address: str | None = None,
        cpus: float = 1.0,
        gpus: float = 0.0,
        piece_samples: int = PIECE_SAMPLES,
    ) -> None:
        if isinstance(piece_samples, bool) or not 1 <= piece_samples <= 1_000_000:
            raise SettingError(f"piece_samples must be 1 to 1000000, got {piece_samples!r}")
        checked_workers(workers, 1, _MOST)
        self._piece_samples = piece_samples
        self._cluster = Cluster(address, share=Share(cpus, gpus))
        slots = self._cluster.slots
        self.count = checked_workers(workers, min(_MOST, slots + 1 + slots // 8), _MOST)

    def engines(self, count: int, *, trust: bool = True) -> Sequence[Engine]:
        slots = self._cluster.slots
        parts = -(-slots // count)  # of fewer clips than the nodes hold, each is done by several
        warm = [min(slots, count * parts) - 1] + [0] * (count - 1)
        return [
            RayEngine(
                self._cluster, trust=trust, piece_samples=self._piece_samples, parts=parts, warm=one
            )
            for one in warm
        ]

    def close(self) -> None:
        self._cluster.close()
