"""Orders as tasks of Ray: begun, fetched, begun again where a worker was lost, and cancelled."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from lab.errors import JobError, LabError, SettingError
from lab.jobs.cluster.life import watched
from lab.jobs.cluster.order import Answer, Order
from lab.jobs.cluster.remote_work import work

_POLL_S = 0.2
STOP_S = 7.0  # as of a local worker: a task that does not stop is ended
_TRIES = 4  # of a task whose worker or node was lost


class LostError(LabError):
    """Workers or nodes were lost, again and again, or one hung: it may pass."""


class Stopped(Exception):
    """What was ordered was cancelled."""


@dataclass(frozen=True)
class Share:
    """What a clip, or a stretch of one, takes of a node. cpus: cores. gpus: may be a fraction."""

    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        for name, value, least in (("cpus", self.cpus, 0.01), ("gpus", self.gpus, 0.0)):
            if isinstance(value, bool) or not least <= value <= 64:
                raise SettingError(f"{name} a clip must be {least:g} to 64, got {value!r}")
            if value > 1 and value != int(value):
                raise SettingError(f"{name} a clip above 1 must be whole, got {value:g}")


@dataclass
class _Task:
    """An order that was begun. index: of the order. tries: how often until now."""

    index: int
    name: str
    tries: int = 1


class Tasks:
    """Starts orders on a cluster.

    silence_s: how long a worker may give no sign of life, and compute nothing, until it is ended.
    was_hung: whether the worker of a lost task was ended for that.
    """

    def __init__(self, share: Share, silence_s: float, was_hung: Callable[[str], bool]) -> None:
        import ray

        self._silence_s, self._was_hung = silence_s, was_hung
        # Ray's own retries would not say why a worker was lost.
        self._remote = ray.remote(
            num_cpus=share.cpus, num_gpus=share.gpus, max_retries=0, retry_exceptions=False
        )(_work_watched)

    def warm(self, order: Order, count: int) -> None:
        """Begin an order so many times, spread over the nodes, and wait for none of its answers."""
        spread = self._remote.options(scheduling_strategy="SPREAD")
        for _ in range(count):
            spread.remote(order, uuid.uuid4().hex, self._silence_s)

    def run(
        self, orders: Sequence[Order], ahead: int, is_cancelled: Callable[[], bool]
    ) -> Generator[Answer]:
        """The answers, in the order of the orders; so many of them are begun ahead.

        Raises Stopped if cancelled, LostError, JobError.
        """
        import ray

        pending: dict[Any, _Task] = {}
        found: dict[int, Answer] = {}
        begun = given = 0
        try:
            while given < len(orders):
                while begun < len(orders) and begun - given < ahead:
                    self._begin(orders[begun], _Task(begun, uuid.uuid4().hex), pending)
                    begun += 1
                if given in found:
                    yield found.pop(given)
                    given += 1
                    continue
                if is_cancelled():
                    raise Stopped
                ready, _ = ray.wait(list(pending), timeout=_POLL_S)
                for ref in ready:
                    task = pending.pop(ref)
                    answer = self._fetched(ref, task)
                    if answer is None:
                        again = _Task(task.index, uuid.uuid4().hex, task.tries + 1)
                        self._begin(orders[task.index], again, pending)
                    else:
                        found[task.index] = answer
        finally:
            stop(list(pending))

    def _begin(self, order: Order, task: _Task, pending: dict[Any, _Task]) -> None:
        pending[self._remote.remote(order, task.name, self._silence_s)] = task

    def _fetched(self, ref: Any, task: _Task) -> Answer | None:
        """None if its worker was lost, and it may be begun again."""
        import ray

        try:
            answer: Answer = ray.get(ref)
        except ray.exceptions.TaskCancelledError:
            raise Stopped from None
        except ray.exceptions.RayTaskError as error:
            raise JobError(f"a worker of the cluster failed: {last_line(error)}") from None
        except ray.exceptions.RayError as error:
            if self._was_hung(task.name):
                raise LostError(
                    "a worker of the cluster gave no sign of life for "
                    f"{self._silence_s:g} s and was ended"
                ) from None
            if task.tries < _TRIES:
                return None
            raise LostError(
                f"workers of the cluster were lost {_TRIES} times in a row: {last_line(error)}"
            ) from None
        return answer


def _work_watched(order: Order, task: str, silence_s: float) -> Answer:
    with watched(task, silence_s):
        return work(order)


def stop(refs: Sequence[Any]) -> None:
    """Cancel tasks; those that do not stop in time are ended with their workers."""
    import ray

    if not refs or not ray.is_initialized():
        return
    for ref in refs:
        ray.cancel(ref, force=False)
    _, late = ray.wait(list(refs), num_returns=len(refs), timeout=STOP_S)
    for ref in late:
        ray.cancel(ref, force=True)


def last_line(error: Exception) -> str:
    """The end of what Ray says, which begins with a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
