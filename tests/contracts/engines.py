"""How the contract suite makes each engine, by name."""

from collections.abc import Callable
from functools import cache

import pytest

from lab.jobs.cluster.connection import Cluster
from lab.jobs.cluster.engine import RayEngine
from lab.jobs.engine import Engine
from lab.jobs.local import LocalEngine
from tests.jobs.in_this_process import InThisProcess


@cache
def this_machine() -> Cluster:
    """A Ray cluster of one core, which the engines share: it takes seconds to start."""
    pytest.importorskip("ray", reason="needs the package ray: pip install 'sighting-lab[ray]'")
    return Cluster("local", cores=1)


def close_shared() -> None:
    if this_machine.cache_info().currsize:
        this_machine().close()
        this_machine.cache_clear()


# `cluster` is all of the engine `ray` but Ray itself.
ENGINES: dict[str, Callable[[], Engine]] = {
    "local": LocalEngine,
    "cluster": lambda: RayEngine(InThisProcess()),
    "ray": lambda: RayEngine(this_machine()),
}
LONG = frozenset(["ray"])
