"""One small registry: names, factories, entry points.

Built-ins are named as an installed plugin would name its own, as `module:attribute`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from lab.errors import LabError, SettingError, closest


class Registry:
    """The implementations of one kind, found by name.

    kind: the word for messages. group: the entry-point group of plugins.
    """

    def __init__(self, kind: str, group: str, built_in: Mapping[str, str]) -> None:
        self.kind = kind
        self._group = group
        self._built_in = dict(built_in)

    def _places(self) -> dict[str, str]:
        return {e.name: e.value for e in entry_points(group=self._group)} | self._built_in

    def names(self) -> list[str]:
        return sorted(self._places())

    def get(self, name: str) -> Any:
        """The factory of that name.

        Raises SettingError if there is none, LabError if its package cannot be imported.
        """
        places = self._places()
        if name not in places:
            raise SettingError(f"unknown {self.kind} {name!r}; {closest(name, list(places))}")
        module, _, attribute = places[name].partition(":")
        try:
            return getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise LabError(f"{self.kind} {name!r} cannot be loaded: {error}") from error


detectors = Registry("detector", "lab.detectors", {"yolo": "lab.detectors.yolo:Yolo"})
