"""`${VAR}` in a document that was named on the command line.

Variables are for places (paths) and for keys of plugins. Nothing else is expanded, since all other
settings are kept with every run, and a value that came from a variable may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lab.detectors.plugins.secrets import is_secret
from lab.detectors.registered import detectors
from lab.errors import SettingError
from lab.jobs.document.text import json_path

_WORD = re.compile(r"\$\$|\$\{([^}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
Place = tuple[str | int, ...]


def expand(
    document: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The document with its variables expanded, and those that went into keys of plugins.

    `$$` is a dollar sign. Raises SettingError for a variable that is not set, or in a place where
    none is expanded; no message shows a value.
    """
    secrets: dict[str, str] = {}

    def walk(value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, (*place, i)) for i, inner in enumerate(value)]
        if not isinstance(value, str):
            return value
        return _WORD.sub(lambda found: put(found, place), value)

    def put(found: re.Match[str], place: Place) -> str:
        if found[0] == "$$":
            return "$"
        name = found[1]
        if name is None or not _NAME.fullmatch(name):
            raise SettingError(
                f"{json_path(place)}: expected ${{NAME}} of a variable; write $$ for a dollar sign"
            )
        is_key = _is_key(document, place)
        if not is_key and not _is_path(place):
            raise SettingError(
                f"{json_path(place)}: ${{{name}}} is not expanded here, since this is kept with "
                "every run; variables are for paths of source, sinks and store, and for keys of "
                "plugins (built-in detectors take the name of a variable, as in token_env)"
            )
        if name not in environ:
            raise SettingError(f"{json_path(place)}: the environment variable {name} is not set")
        if is_key:
            secrets[name] = environ[name]
        return environ[name]

    return walk(dict(document), ()), secrets


def _is_path(place: Place) -> bool:
    return (
        place == ("store",)
        or place[:2] in (("source", "path"), ("source", "paths"))
        or (place[0] == "sinks" and place[-1] == "path")
    )


def _is_key(document: Mapping[str, Any], place: Place) -> bool:
    """Whether this is a setting that neither a recipe nor a run keeps; see `on_record`."""
    if len(place) != 4 or place[0] != "analyses" or place[2] != "settings":
        return False
    name = document["analyses"][place[1]]["detector"]
    return is_secret(str(place[3])) and (name == "python" or detectors.package(name) is not None)
