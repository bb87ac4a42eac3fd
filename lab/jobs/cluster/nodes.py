"""What is asked of each node of a cluster, whatever its cores do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import lab
from lab.errors import JobError

_GREETING_S = 120.0


def on_each_node(function: Callable[..., Any], *args: Any) -> dict[Any, str]:
    """Call it on each node that has cores; references to the results, with the nodes' names."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task, refs = ray.remote(function), {}
    for node in ray.nodes():
        if node["Alive"] and node["Resources"].get("CPU"):
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            options = {"num_cpus": 0, "scheduling_strategy": place, "max_retries": 0}
            refs[task.options(**options).remote(*args)] = node["NodeManagerHostname"]
    return refs


def any_node_says(function: Callable[..., bool], *args: Any, within_s: float) -> bool:
    """Whether it is true on one of the nodes; those that do not answer in time do not count."""
    import ray

    try:
        left, until = list(on_each_node(function, *args)), time.monotonic() + within_s
        while left and (wait_s := until - time.monotonic()) > 0:
            ready, left = ray.wait(left, timeout=wait_s)
            if any(_true(ref) for ref in ready):
                return True
    except ray.exceptions.RayError:  # the cluster is lost
        pass
    return False


def _true(ref: Any) -> bool:
    import ray

    try:
        return bool(ray.get(ref))
    except ray.exceptions.RayError:  # it left
        return False


def greet() -> None:
    """Each node that is there now must have this lab. Raises JobError."""
    import ray

    refs = on_each_node(_greeting())
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
