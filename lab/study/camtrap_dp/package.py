"""A data package on disk: a folder, or a zip of one."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.errors import SettingError, printable
from lab.formats.csv import to_csv
from lab.study.camtrap_dp.columns import CUSTOM

_ABOUT = "datapackage.json"
_OURS = {f"{name}.csv" for name in CUSTOM}
_STAMP = (1980, 1, 1, 0, 0, 0)  # the same content gives the same file
Tables = Mapping[str, tuple[Sequence[str], Sequence[Mapping[str, Any]]]]


def write_package(
    path: str | Path, about: Mapping[str, Any], tables: Tables, *, replace: bool = False
) -> Path:
    """Write `datapackage.json` and a CSV a table; returns the path.

    tables: columns and rows by name. replace: a package that is there is written over. Raises
    SettingError if something is at the path, or it cannot be written.
    """
    path = Path(path)
    files = {f"{name}.csv": to_csv(rows, list(columns)) for name, (columns, rows) in tables.items()}
    files[_ABOUT] = json.dumps(about, indent=2, ensure_ascii=False)
    is_zip = path.suffix.lower() == ".zip"
    _check_place(path, is_zip, replace)
    try:
        if is_zip:
            path.parent.mkdir(parents=True, exist_ok=True)
            return write_atomically(path, _zipped(files))
        path.mkdir(parents=True, exist_ok=True)
        for name in _OURS - files.keys():  # of the package that is written over
            (path / name).unlink(missing_ok=True)
        for name, text in files.items():  # the description last: without it there is no package
            write_atomically(path / name, text)
    except OSError as error:
        raise SettingError(
            f"{printable(path)} cannot be written: {error.strerror or error}; name another place"
        ) from None
    return path


def _check_place(path: Path, is_zip: bool, replace: bool) -> None:
    if is_zip:
        if path.exists() and not replace:
            raise SettingError(f"{printable(path)} is there; name another, or add --replace")
        return
    if path.exists() and not path.is_dir():
        raise SettingError(f"{printable(path)} is a file; name a folder or a .zip")
    if not path.exists() or not any(path.iterdir()):
        return
    if not (path / _ABOUT).exists():
        raise SettingError(f"{printable(path)} has other files in it; name an empty folder")
    if not replace:
        raise SettingError(f"{printable(path)} has a package; name another, or add --replace")


def _zipped(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _STAMP), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()
