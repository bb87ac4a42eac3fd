"""Lists of brands and scenes that the user saved: `brands/NAME.yaml` in the models folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lab.detectors.weights.files import models_folder
from lab.detectors.zero_shot.brand_lists import BRANDS, load_brands
from lab.detectors.zero_shot.named_list import NamedList
from lab.detectors.zero_shot.scene_lists import SCENES, load_scenes
from lab.errors import SettingError, closest

_KINDS = {"brands": BRANDS, "scenes": SCENES}
KINDS = tuple(_KINDS)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def named_lists(kind: str) -> dict[str, str]:
    """Name to path of the lists of a kind, `brands` or `scenes`: what `logos` and `scenes` take.

    Raises SettingError for an unknown kind.
    """
    _list_of(kind)
    files = (models_folder() / kind).glob("*.yaml")
    return {p.stem: str(p) for p in sorted(files) if _NAME.fullmatch(p.stem) and p.is_file()}


def list_path(kind: str, name: str) -> Path:
    """Where a list of that name is kept. Raises SettingError for a name that is not valid."""
    _list_of(kind)
    if not _NAME.fullmatch(name):
        raise SettingError(
            f"a list's name has 1 to 64 letters (a to z), digits, - and _, got {name[:80]!r}"
        )
    return models_folder() / kind / f"{name}.yaml"


def read_rows(kind: str, name: str | None) -> list[dict[str, str]]:
    """The rows of a list, for a table; None is the built-in one. Raises SettingError."""
    form = _list_of(kind)
    path = None if name is None else list_path(kind, name)
    return form.to_rows(load_brands(path) if form is BRANDS else load_scenes(path))


def check_rows(kind: str, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The list that a table holds. Raises SettingError, which counts the rows from 1."""
    return _list_of(kind).from_rows(rows)


def save_rows(
    kind: str, name: str, rows: Iterable[Mapping[str, Any]], *, replace: bool = False
) -> Path:
    """Keep a table under a name, and return its path. replace: write over a list of that name.

    Raises SettingError; then nothing is written.
    """
    path = list_path(kind, name)
    checked = check_rows(kind, rows)
    if path.exists() and not replace:
        raise SettingError(
            f"a list {name!r} is there already; open it to change it, or take another name"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"{path.parent} cannot be created ({error.strerror})") from None
    _list_of(kind).save(checked, path)
    return path


def _list_of(kind: str) -> NamedList:
    if kind not in _KINDS:
        raise SettingError(f"no lists of {kind!r}; {closest(kind, list(KINDS))}")
    return _KINDS[kind]
