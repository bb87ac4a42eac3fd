"""How the contract suite makes each engine, by name."""

from collections.abc import Callable

import pytest

from lab.jobs.cluster.engine import RayEngine
from lab.jobs.engine import Engine
from lab.jobs.local import LocalEngine
from tests.jobs.in_this_process import InThisProcess


def _on_ray() -> Engine:
    """This machine as a cluster of one core; the processes start with each engine."""
    pytest.importorskip("ray", reason="needs the package ray: pip install 'sighting-lab[ray]'")
    return RayEngine(cores=1)


# `cluster` is all of the engine `ray` but Ray itself.
ENGINES: dict[str, Callable[[], Engine]] = {
    "local": LocalEngine,
    "cluster": lambda: RayEngine(InThisProcess()),
    "ray": _on_ray,
}
LONG = frozenset(["ray"])
