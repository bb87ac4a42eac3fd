"""Settings of the app: `lab.toml` in the working folder, with the environment over it.

store = "/data/lab_store"            # LAB_STORE
media_roots = ["/data/videos"]       # LAB_MEDIA_ROOTS, separated as in PATH
max_upload_bytes = 4294967296        # LAB_MAX_UPLOAD_BYTES
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lab.errors import SettingError, SourceError, closest

SAMPLES = Path(__file__).resolve().parent.parent / "sample_videos"


@dataclass(frozen=True, kw_only=True)
class Config:
    """media_roots: folders under which a browser user may name files, resolved."""

    store: Path
    media_roots: tuple[Path, ...] = ()
    max_upload_bytes: int = 4 << 30

    def allowed(self, path: str | Path) -> Path:
        """A path that a browser user named, resolved. Raises SourceError outside media_roots."""
        resolved = Path(path).expanduser().resolve()
        if not any(resolved.is_relative_to(root) for root in self.media_roots):
            roots = ", ".join(map(str, self.media_roots)) or "none are configured"
            raise SourceError(
                f"{path} is not under the media_roots ({roots}); see the guide on settings"
            )
        return resolved


def load_config(folder: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Raises SettingError for a file that is no TOML, unknown keys and wrong values."""
    folder = folder or Path.cwd()
    environ = os.environ if environ is None else environ
    path = folder / "lab.toml"
    values: dict[str, Any] = {}
    if path.exists():
        try:
            values = tomllib.loads(path.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingError(f"{path} is not valid TOML: {error}") from None
        known = [f.name for f in fields(Config)]
        for key in values:
            if key not in known:
                raise SettingError(f"unknown setting {key!r} in {path}; {closest(key, known)}")
    if environ.get("LAB_MEDIA_ROOTS"):
        values["media_roots"] = environ["LAB_MEDIA_ROOTS"].split(os.pathsep)
    if environ.get("LAB_MAX_UPLOAD_BYTES"):
        values["max_upload_bytes"] = environ["LAB_MAX_UPLOAD_BYTES"]
    store = environ.get("LAB_STORE") or values.get("store") or "lab_store"
    try:
        limit = int(values.get("max_upload_bytes", 4 << 30))
    except (TypeError, ValueError):
        raise SettingError(
            f"max_upload_bytes must be a number, got {values['max_upload_bytes']!r}"
        ) from None
    roots = tuple(Path(root).expanduser().resolve() for root in values.get("media_roots", []))
    return Config(
        store=(folder / Path(store).expanduser()).absolute(),
        media_roots=(*roots, SAMPLES),
        max_upload_bytes=limit,
    )
