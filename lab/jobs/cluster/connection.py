"""The connection to a Ray cluster: found, checked, given orders, and left."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence

from lab.errors import JobError
from lab.extras import need
from lab.jobs.cluster.join import join, prepare_ray, start_here
from lab.jobs.cluster.life import was_hung
from lab.jobs.cluster.nodes import any_node_says, greet, on_each_node
from lab.jobs.cluster.order import Answer, Order
from lab.jobs.cluster.tasks import STOP_S, Share, Tasks
from lab.leftovers import remove_folders_of_the_dead
from lab.silence import SILENCE_S
from lab.video.remote_store import is_remote, remove_copies

_FOLDER = "lab-ray-"
_ASK_S = 60.0  # a process may have to be started to answer


class Cluster:
    """A connection, which all engines of a batch share.

    address: `host:port` of the head, `ray://host:port`, or `auto` for one that runs on this
    machine; None: that of the variable RAY_ADDRESS, else this machine alone, as a cluster that ends
    with this object. cores: of the latter. silence_s: as of `LocalEngine`, of a clip's worker.

    Raises JobError if it cannot be reached or used, SettingError for values out of range.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        share: Share | None = None,
        cores: int | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        need("--engine ray", "ray", "ray", error=JobError)
        self.share = share or Share()
        self._guard = threading.Lock()
        self._temporary: str | None = None
        self._is_ours = False
        self._has_copies = False
        try:
            self._connect(address or os.environ.get("RAY_ADDRESS") or None, cores)
            greet()
        except BaseException:
            self.close()
            raise
        self._tasks = Tasks(self.share, silence_s, _was_hung)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def slots(self) -> int:
        """How many clips the nodes hold at the same time now, at least 1."""
        import ray

        has = ray.cluster_resources()
        found = [has.get("CPU", 0.0) / self.share.cpus]
        if self.share.gpus:
            found.append(has.get("GPU", 0.0) / self.share.gpus)
        return max(1, int(min(found)))

    def run(
        self, orders: Sequence[Order], is_cancelled: Callable[[], bool] = lambda: False
    ) -> Generator[Answer]:
        """The answers, in the order of the orders, each as soon as those before are there.

        Each is fetched when it is done, so that a node that is lost later costs it no more. Close
        the iterator to cancel the rest. Raises Stopped if cancelled, LostError, JobError.
        """
        self._has_copies |= any(is_remote(order.place) for order in orders)
        yield from self._tasks.run(orders, max(2, 2 * self.slots), is_cancelled)

    def warm(self, order: Order, count: int) -> None:
        """Have detectors loaded in so many places, which then have them for their clips."""
        self._tasks.warm(order, count)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends, and nothing of it stays."""
        import ray

        with self._guard:
            self._tidy()
            self._has_copies = False
            if self._is_ours and ray.is_initialized():
                ray.shutdown()
            self._is_ours = False
            if self._temporary is not None:
                shutil.rmtree(self._temporary, ignore_errors=True)
                self._temporary = None

    def _connect(self, address: str | None, cores: int | None) -> None:
        if prepare_ray():  # in a notebook: whoever connected leaves it, too
            if address is not None:
                raise JobError(
                    "this process is connected to a Ray cluster already; leave the address out to "
                    "use that one, or call ray.shutdown() first"
                )
            return
        self._is_ours = True
        if address is not None and address != "local":
            join(address)
        else:
            # Short, for sockets below it may have names of 107 bytes only.
            remove_folders_of_the_dead(_FOLDER)
            self._temporary = tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-")
            start_here(self._temporary, cores)

    def _tidy(self) -> None:
        """Remove copies of clips from the nodes, where there may be any."""
        import ray

        if not self._has_copies or not ray.is_initialized():
            return
        with contextlib.suppress(ray.exceptions.RayError):
            refs = list(on_each_node(remove_copies))
            ray.wait(refs, num_returns=len(refs), timeout=STOP_S)


def _was_hung(task: str) -> bool:
    return any_node_says(was_hung, task, within_s=_ASK_S)
