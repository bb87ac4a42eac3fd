"""Lists of brands and of scenes that a person has named: `brands/NAME.yaml` in the models folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lab.detectors.weights.files import models_folder
from lab.detectors.zero_shot import brand_lists as brands
from lab.detectors.zero_shot import scene_lists as scenes
from lab.errors import SettingError, closest

KINDS = ("brands", "scenes")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def named_lists(kind: str) -> dict[str, str]:
    """Name to path of the lists of a kind, `brands` or `scenes`: what `logos` and `scenes` take."""
    _check_kind(kind)
    files = (models_folder() / kind).glob("*.yaml")
    return {p.stem: str(p) for p in sorted(files) if _NAME.fullmatch(p.stem) and p.is_file()}


def list_path(kind: str, name: str) -> Path:
    """Where a list of that name is kept. Raises SettingError for a name that cannot be one."""
    _check_kind(kind)
    if not _NAME.fullmatch(name):
        raise SettingError(
            f"a list's name has 1 to 64 letters (a to z), digits, - and _, got {name[:80]!r}"
        )
    return models_folder() / kind / f"{name}.yaml"


def read_rows(kind: str, name: str | None) -> list[dict[str, str]]:
    """The rows of a list, for a table; None is the built-in one. Raises SettingError."""
    path = None if name is None else list_path(kind, name)
    if kind == "brands":
        return brands.to_rows(brands.load_brands(path))
    return scenes.to_rows(scenes.load_scenes(path))


def check_rows(kind: str, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The list that a table holds. Raises SettingError, which counts the rows from 1."""
    _check_kind(kind)
    return brands.from_rows(rows) if kind == "brands" else scenes.from_rows(rows)


def save_rows(
    kind: str, name: str, rows: Iterable[Mapping[str, Any]], *, replace: bool = False
) -> Path:
    """Keep a table under a name. replace: also if a list of that name is there.

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
        raise SettingError(f"{path.parent} cannot be made ({error.strerror})") from None
    (brands.save_brands if kind == "brands" else scenes.save_scenes)(checked, path)
    return path


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise SettingError(f"no lists of {kind!r}; {closest(kind, list(KINDS))}")
