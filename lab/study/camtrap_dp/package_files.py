"""The files of a package that somebody gives: in a folder, or in a zip of one."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from lab.errors import SettingError, printable

ABOUT = "datapackage.json"
_LARGEST_BYTES = 512 * 2**20  # of one table
# Of a zip: what is missing, cut off, packed in another way, or has a password.
_UNREADABLE = (OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


class PackageFiles:
    """The files of a package, in a folder or a zip; nothing outside of it is opened."""

    def __init__(self, path: Path, raw: bytes | None) -> None:
        self._name = printable(path)
        self._archive: zipfile.ZipFile | None = None
        self._folder = path.parent if path.name == ABOUT else path
        if raw is not None or (path.suffix.lower() == ".zip" and not path.is_dir()):
            try:
                self._archive = zipfile.ZipFile(path if raw is None else io.BytesIO(raw))
            except (OSError, zipfile.BadZipFile) as error:
                why = getattr(error, "strerror", None) or "it is no zip, or damaged"
                raise SettingError(f"{self._name} cannot be read: {why}") from None
            inside = [n for n in self._archive.namelist() if PurePosixPath(n).name == ABOUT]
            inside.sort(key=lambda n: (n.count("/"), n))
            self._inside = PurePosixPath(inside[0]).parent if inside else PurePosixPath()

    def about(self) -> dict[str, Any]:
        try:
            found = json.loads(self._read(ABOUT))
        except (ValueError, RecursionError) as error:
            raise SettingError(f"{self._name}: {ABOUT} is not JSON ({error})") from None
        if not isinstance(found, dict):
            raise SettingError(f"{self._name}: {ABOUT} is no description of a data package")
        return found

    def table(self, name: str, path: Any) -> bytes:
        """The content of a table. path: as the description gives it."""
        if isinstance(path, list) and len(path) == 1:
            path = path[0]
        if not isinstance(path, str) or "://" in path:
            raise SettingError(
                f"{self._name}: the table {name} is not in the package, but at {path!r}; download "
                "it, and name its file in datapackage.json"
            )
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts:
            raise SettingError(f"{self._name}: the table {name} lies outside of it, at {path!r}")
        raw = self._read(path)
        if path.endswith(".gz"):
            raise SettingError(f"{self._name}: unpack {path!r}, and name the CSV in {ABOUT}")
        return raw

    def _read(self, path: str) -> bytes:
        try:
            if self._archive is None:
                return _inside(self._folder, path).read_bytes()
            member = self._archive.getinfo(str(self._inside / path))
            if member.file_size > _LARGEST_BYTES:
                raise SettingError(f"{self._name}: {path} has more than 512 MiB")
            return self._archive.read(member)
        except _UNREADABLE as error:
            why = getattr(error, "strerror", None) or "it is not there, or damaged"
            raise SettingError(f"{self._name}: {path} cannot be read: {why}") from None


def _inside(folder: Path, path: str) -> Path:
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise SettingError(f"{printable(folder)}: {path!r} leads out of the package")
    return found
