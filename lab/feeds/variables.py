"""`${VAR}` in a feeds file, as detstream expands it: one that is not set becomes empty text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_REFERENCE = re.compile(r"\$\{(\w+)\}")
Place = tuple[str | int, ...]


class Variables:
    """Expands the values of a document, and remembers where.

    unset: by place, the variables that are not set. expanded: the places where one is.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.unset: dict[Place, list[str]] = {}
        self.expanded: set[Place] = set()

    def expand(self, value: Any, place: Place = ()) -> Any:
        """The value with every `${VAR}` in its texts replaced."""
        if isinstance(value, dict):
            return {key: self.expand(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.expand(inner, (*place, i)) for i, inner in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        names = _REFERENCE.findall(value)
        if names:
            self.expanded.add(place)
        if missing := [name for name in names if not self._environ.get(name)]:
            self.unset[place] = missing
        return _REFERENCE.sub(lambda found: self._environ.get(found[1], ""), value)


def names_in(value: Any) -> set[str]:
    """The names of all variables in a document."""
    if isinstance(value, Mapping):
        return set().union(*map(names_in, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(names_in, value))
    return set(_REFERENCE.findall(value)) if isinstance(value, str) else set()


def has_variable(text: Any) -> bool:
    """Whether it is text with a `${VAR}`."""
    return isinstance(text, str) and _REFERENCE.search(text) is not None
