"""The connection to a Ray cluster: found, checked, given orders, and left."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import lab
from lab.errors import JobError, LabError, SettingError
from lab.extras import need
from lab.jobs.cluster.order import Answer, Order
from lab.jobs.cluster.remote_work import work
from lab.video.remote_store import is_remote, remove_copies

_REACH_S = 5.0
_POLL_S = 0.2
STOP_S = 7.0  # as of a local worker: a task that does not stop is ended
_RETRIES = 3  # of a task whose worker or node was lost
_STORE_BYTES = 150_000_000  # of a cluster that is started here; results are small
_GREETING_S = 120.0


class LostError(LabError):
    """Workers or nodes were lost, again and again: it may pass."""


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


class Cluster:
    """A connection, which all lanes of a batch share.

    address: `host:port` of the head, `ray://host:port`, or `auto` for one that runs on this
    machine; None: that of the variable RAY_ADDRESS, else this machine alone, as a cluster that ends
    with this object. cores: of the latter.

    Raises JobError if it cannot be reached or used, SettingError for values out of range.
    """

    def __init__(
        self, address: str | None = None, *, share: Share | None = None, cores: int | None = None
    ) -> None:
        need("--engine ray", "ray", "ray", error=JobError)
        self.share = share or Share()
        self._guard = threading.Lock()
        self._temporary: str | None = None
        self._is_ours = False
        self._has_copies = False
        self._connect(address or os.environ.get("RAY_ADDRESS") or None, cores)
        try:
            self._greet()
        except BaseException:
            self.close()
            raise
        self._remote = self._task()

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
        import ray

        self._has_copies |= any(is_remote(order.place) for order in orders)
        ahead = max(2, 2 * self.slots)
        pending: dict[Any, int] = {}
        found: dict[int, Answer] = {}
        begun = given = 0
        try:
            while given < len(orders):
                while begun < len(orders) and begun - given < ahead:
                    pending[self._remote.remote(orders[begun])] = begun
                    begun += 1
                if given in found:
                    yield found.pop(given)
                    given += 1
                    continue
                if is_cancelled():
                    raise Stopped
                ready, _ = ray.wait(list(pending), timeout=_POLL_S)
                for ref in ready:
                    found[pending.pop(ref)] = _fetched(ref)
        finally:
            _stop(list(pending))

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
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        logging.getLogger("ray").setLevel(logging.ERROR)
        import ray

        if ray.is_initialized():  # in a notebook: whoever connected leaves it, too
            if address is not None:
                raise JobError(
                    "this process is connected to a Ray cluster already; leave the address out to "
                    "use that one, or call ray.shutdown() first"
                )
            return
        quiet: dict[str, Any] = {
            "log_to_driver": False,
            "logging_level": "error",
            "configure_logging": False,
        }
        if address is not None and address != "local":
            _check_reachable(address)
            options: dict[str, Any] = {"address": address}
        else:
            # Short, for sockets below it may have names of 107 bytes only.
            self._temporary = tempfile.mkdtemp(prefix="lab-ray-")
            options = {
                "address": "local",
                "num_cpus": cores or os.cpu_count() or 1,
                "object_store_memory": _STORE_BYTES,
                "include_dashboard": False,
                "_temp_dir": self._temporary,
            }
        self._is_ours = True
        try:
            with _silence():
                ray.init(**options, **quiet)
        except Exception as error:
            self.close()
            raise JobError(_why_not(address, error)) from None

    def _greet(self) -> None:
        """Each node that is there now must have this lab. Raises JobError."""
        import ray

        refs = self._on_each_node(_greeting())
        if not refs:
            raise JobError("the cluster has no node with a core; start one: ray start --address")
        ready, late = ray.wait(list(refs), num_returns=len(refs), timeout=_GREETING_S)
        if len(late) == len(refs):
            raise JobError(f"no node of the cluster answered within {_GREETING_S:g} s")
        for ref in ready:
            try:
                version, path = ray.get(ref)
            except ray.exceptions.RayError:
                continue  # it left; the others do its work
            if version != lab.__version__:
                has = f"lab {version}" if version else "no lab"
                raise JobError(
                    f"the node {refs[ref]} has {has} ({path}), this machine has lab "
                    f"{lab.__version__}; install the same version there"
                )

    def _on_each_node(self, function: Callable[[], Any]) -> dict[Any, str]:
        """Call it on each node that has cores; references to the results, with the nodes' names."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task, refs = ray.remote(function), {}
        for node in ray.nodes():
            if node["Alive"] and node["Resources"].get("CPU"):
                place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                options = {"num_cpus": 0, "scheduling_strategy": place, "max_retries": 0}
                refs[task.options(**options).remote()] = node["NodeManagerHostname"]
        return refs

    def _tidy(self) -> None:
        """Remove copies of clips from the nodes, where there may be any."""
        import ray

        if not self._has_copies or not ray.is_initialized():
            return
        with contextlib.suppress(ray.exceptions.RayError):
            refs = list(self._on_each_node(remove_copies))
            ray.wait(refs, num_returns=len(refs), timeout=STOP_S)

    def _task(self) -> Any:
        import ray

        return ray.remote(work).options(
            num_cpus=self.share.cpus,
            num_gpus=self.share.gpus,
            max_retries=_RETRIES,
            retry_exceptions=False,
        )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Ray writes warnings from compiled code while it connects; what matters it raises."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _greeting() -> Callable[[], tuple[str | None, str]]:
    """A function that Ray sends whole: it also runs where this package is not installed."""

    def greeting() -> tuple[str | None, str]:
        import sys

        try:
            import lab
        except ImportError:
            return None, sys.executable
        return lab.__version__, sys.executable

    return greeting


def _fetched(ref: Any) -> Answer:
    import ray

    try:
        answer: Answer = ray.get(ref)
    except ray.exceptions.TaskCancelledError:
        raise Stopped from None
    except ray.exceptions.RayTaskError as error:
        raise JobError(f"a worker of the cluster failed: {_last_line(error)}") from None
    except ray.exceptions.RayError as error:
        raise LostError(f"a worker of the cluster was lost: {_last_line(error)}") from None
    return answer


def _stop(refs: Sequence[Any]) -> None:
    """Cancel tasks; those that do not stop in time are ended with their workers."""
    import ray

    if not refs or not ray.is_initialized():
        return
    for ref in refs:
        ray.cancel(ref, force=False)
    _, late = ray.wait(list(refs), num_returns=len(refs), timeout=STOP_S)
    for ref in late:
        ray.cancel(ref, force=True)


def _check_reachable(address: str) -> None:
    """Raises JobError in seconds, where Ray itself would wait for minutes."""
    if address == "auto":
        return
    place = address.removeprefix("ray://")
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        raise SettingError(f"--address must be auto, HOST:PORT or ray://HOST:PORT, got {address!r}")
    begun = time.monotonic()
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S):
            return
    except (OSError, OverflowError) as error:
        spent_s = time.monotonic() - begun
        why = getattr(error, "strerror", None) or error
        raise JobError(
            f"the cluster at {address} cannot be reached ({why}, after {spent_s:.0f} s); "
            "start its head with: ray start --head, or leave --address out for this machine alone"
        ) from None


def _why_not(address: str | None, error: Exception) -> str:
    text = " ".join(str(error).split())
    if "ersion mismatch" in text:
        return (
            f"the cluster at {address} runs another Ray or Python: {text[:300]}; "
            "install the same versions on all machines"
        )
    if address is None:
        return f"Ray could not be started on this machine: {text[:300]}; use --engine local"
    if isinstance(error, ConnectionError) and address == "auto":
        return (
            "no Ray cluster runs on this machine; start one with: ray start --head, or leave "
            "--address out for this machine alone"
        )
    if "ailed to connect" in text:
        return (
            f"the cluster at {address} cannot be reached: what is there does not answer as Ray; "
            "give the address that ray start --head said"
        )
    return f"the cluster at {address} cannot be used: {text[:300]}; see there: ray status"


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
