"""A mapping in a feeds file, read key by key; errors say where, what was found and the way out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from lab.detectors.plugins.secrets import is_secret
from lab.errors import SettingError, closest
from lab.feeds.variables import Place, Variables
from lab.jobs.document.schema import short_json
from lab.jobs.document.text import json_path


class Block:
    """The values at a place in a document.

    Raises SettingError unless they are a mapping.
    """

    def __init__(self, values: Any, place: Place, variables: Variables) -> None:
        self.place, self._variables = place, variables
        if not isinstance(values, Mapping):
            raise SettingError(f"{json_path(place)}: expected a mapping, got {short_json(values)}")
        self.values: Mapping[str, Any] = values

    def __contains__(self, key: str) -> bool:
        """Whether it is there, and not empty."""
        return self.values.get(key) is not None

    def error(self, key: str | int | None, message: str) -> SettingError:
        """An error at a key, or of the whole."""
        place = self.place if key is None else (*self.place, key)
        return SettingError(f"{json_path(place)}: {message}")

    def block(self, key: str) -> Block:
        """The mapping of a key, empty where there is none."""
        values = self.values.get(key)
        return Block({} if values is None else values, (*self.place, key), self._variables)

    def check_keys(self, known: Iterable[str], elsewhere: Mapping[str, str] | None = None) -> None:
        """Raises SettingError for the first key that is not known, with the way out.

        elsewhere: what to say of keys that people look for here.
        """
        names = sorted(known)
        for key in self.values:
            if key in names:
                continue
            if elsewhere and key in elsewhere:
                raise self.error(None, f"unknown key {key!r}; {elsewhere[key]}")
            raise self.error(None, f"unknown key {key!r}; {closest(key, names)}")

    def text(self, key: str, *, is_required: bool = False) -> str | None:
        """The text of a key; None where it is missing or empty. Numbers are taken as they stand.

        is_required: raise SettingError where it is missing or empty, with the variable that is not
        set where that is why.
        """
        value = self.values.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if value is not None and not isinstance(value, str):
            raise self.error(key, f"expected text, got {self.shown(key)}")
        if value:
            return value
        if is_required:
            raise self.missing(key)
        return None

    def missing(self, key: str) -> SettingError:
        """The error for a value that is needed."""
        if key not in self.values:
            return self.error(None, f"the key {key!r} is missing")
        return self._empty((*self.place, key))

    def _empty(self, place: Place) -> SettingError:
        names = self._variables.unset.get(place, [])
        if not names:
            return SettingError(f"{json_path(place)}: it is empty; give a value")
        are = "is" if len(names) == 1 else "are"
        return SettingError(
            f"{json_path(place)}: {' and '.join(names)} {are} not set; "
            "set it in the environment, or in .env beside the file"
        )

    def unset(self, key: str) -> list[str]:
        """The variables in the value of a key that are not set."""
        return self._variables.unset.get((*self.place, key), [])

    def number(
        self, key: str, default: float, *, least: float = 0.0, is_above: bool = False
    ) -> float:
        """The number of a key. least: the smallest; is_above: it must be above that."""
        value = self.plain_number(key)
        if value is None:
            return default
        if value < least or (is_above and value == least) or not math.isfinite(value):
            limit = f"above {least:g}" if is_above else f"of {least:g} or more"
            raise self.error(key, f"expected a number {limit}, got {self.shown(key)}")
        return float(value)

    def plain_number(self, key: str) -> float | None:
        """The number of a key, also as text, for so a variable gives it; None where it is empty."""
        value = self.values.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            try:
                value = int(value) if value.strip().lstrip("+-").isdigit() else float(value)
            except ValueError:
                pass
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"expected a number, got {self.shown(key)}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise self.error(key, f"expected true or false, got {self.shown(key)}")
        return value

    def texts(self, key: str) -> list[str] | None:
        """The list of texts of a key; None where it is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, str) or not isinstance(value, list):
            raise self.error(key, f"expected a list of texts, got {self.shown(key)}")
        for i, one in enumerate(value):
            if one == "":
                raise self._empty((*self.place, key, i))
            if not isinstance(one, str):
                raise self.error(key, f"expected a list of texts, got {short_json(one)} in it")
        return list(value)

    def shown(self, key: str) -> str:
        """A value as an error may show it: nothing that may be a secret."""
        is_hidden = is_secret(key) or key == "url" or (*self.place, key) in self._variables.expanded
        return "something else" if is_hidden else short_json(self.values.get(key))
