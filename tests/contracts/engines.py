"""How the contract suite makes each engine, by name."""

from collections.abc import Callable

from lab.jobs.engine import Engine
from lab.jobs.local import LocalEngine

ENGINES: dict[str, Callable[[], Engine]] = {"local": LocalEngine}
