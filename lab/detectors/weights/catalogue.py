"""Weights with a known address: the built-in list, and `catalogue.toml` in the models folder."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.errors import DetectorError

TASKS = ("detect", "segment", "obb")
USER_CATALOGUE = "catalogue.toml"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# The release that Ultralytics' own downloader of version 8.4.190 takes them from.
_ULTRALYTICS = "https://github.com/ultralytics/assets/releases/download/v8.4.0/"
_ULTRALYTICS_LICENCE = "AGPL-3.0"
_MEGADETECTOR = "https://github.com/agentmorris/MegaDetector/releases/download/"
_MEGADETECTOR_LICENCE = "MIT (the repository's; none is stated for the weights alone)"
# Published by megadetector 10.0.28, `megadetector.detection.run_detector.known_models`.
_MEGADETECTOR_MD5 = {
    "v5.0/md_v5a.0.0.pt": "ec1d7603ec8cf642d6e0cd008ba2be8c",
    "v5.0/md_v5b.0.0.pt": "bc235e73f53c5c95e66ea0d1b2cbf542",
    "v5.0/md_v5a.0.1.pt": "60f8e7ec1308554df258ed1f4040bc4f",
    "v5.0/md_v5b.0.1.pt": "f17ed6fedfac2e403606a08c89984905",
    "v1000.0/md_v1000.0.0-redwood.pt": "74474b3aec9cf1a990da38b37ddf9197",
    "v1000.0/md_v1000.0.0-spruce.pt": "1c9d1d2b3ba54931881471fdd508e6f2",
    "v1000.0/md_v1000.0.0-larch.pt": "cab94ebd190c2278e12fb70ffd548b6d",
    "v1000.0/md_v1000.0.0-cedar.pt": "3d6472c9b95ba687b59ebe255f7c576b",
    "v1000.0/md_v1000.0.0-sorrel.pt": "4339a2c8af7a381f18ded7ac2a4df03e",
}
# Size and hash of files that were checked.
_KNOWN_FILES = {
    "yolo26n.pt": (5_544_453, "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef"),
    "yolov8s-world.pt": (
        27_169_314,
        "095f5266bb9b654bd5ad9e21e9cdeda78e0f2c8460f5d652eaf04bab7ee251cf",
    ),
}
# What a download is checked against, in words.
CHECKS = {
    "sha256": "its sha256 is known beforehand",
    "md5": "its publisher's md5 is known beforehand; "
    "its sha256 is remembered from the first download",
    "first download": "nothing is published; its sha256 is remembered from the first download",
}


@dataclass(frozen=True)
class Entry:
    """Where a file of weights comes from, and how it is recognised.

    sha256, md5: lower-case hexadecimal, published or of a file that was checked; None if not
        known. If neither is known, the hash of the first download is remembered.
    labels: class names, for files that do not carry them.
    """

    name: str
    url: str
    task: str
    licence: str
    size_bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    labels: tuple[str, ...] = ()

    @property
    def check(self) -> str:
        """The kind of check that a download gets: `sha256`, `md5` or `first download`."""
        return "sha256" if self.sha256 else "md5" if self.md5 else "first download"


def catalogue(folder: Path) -> dict[str, Entry]:
    """Every known name. Raises DetectorError if the folder's `catalogue.toml` has a mistake."""
    return {**built_in(), **_of_user(folder / USER_CATALOGUE)}


@lru_cache(maxsize=1)
def built_in() -> Mapping[str, Entry]:
    """What the lab knows by itself. The names are those of `GITHUB_ASSETS_NAMES` in Ultralytics."""
    detect = [f"yolo{v}{k}" for v in ("v8", "11", "12", "26") for k in "nsmlx"]
    detect += [f"yolov9{k}" for k in "tsmce"] + [f"yolov10{k}" for k in "nsmblx"]
    detect += [f"yolov5{k}{size}u" for k in "nsmlx" for size in ("", "6")]
    detect += [f"yolov8{k}-world{v}" for k in "smlx" for v in ("", "v2")]
    families = [f"yolo{v}{k}" for v in ("v8", "11", "26") for k in "nsmlx"]
    segment = [f"{family}-seg" for family in families]
    segment += [f"yoloe-{v}{k}-seg{pf}" for v in ("v8", "11") for k in "sml" for pf in ("", "-pf")]
    segment += [f"yoloe-26{k}-seg{pf}" for k in "nsmlx" for pf in ("", "-pf")]
    obb = [f"{family}-obb" for family in families]
    entries = [
        _ultralytics(f"{stem}.pt", task)
        for task, stems in (("detect", detect), ("segment", segment), ("obb", obb))
        for stem in stems
    ]
    entries += [
        Entry(path.split("/")[1], _MEGADETECTOR + path, "detect", _MEGADETECTOR_LICENCE,
              md5=md5, labels=("animal", "person", "vehicle"))
        for path, md5 in _MEGADETECTOR_MD5.items()
    ]  # fmt: skip
    return {entry.name: entry for entry in entries}


def _ultralytics(name: str, task: str) -> Entry:
    size_bytes, sha256 = _KNOWN_FILES.get(name, (None, None))
    return Entry(name, _ULTRALYTICS + name, task, _ULTRALYTICS_LICENCE, size_bytes, sha256)


def labels_of(stem: str, folder: Path) -> tuple[str, ...]:
    """Class names that the catalogue knows for `STEM.pt` or an export of it; () for none."""
    known = catalogue(folder)
    entry = known.get(f"{stem}.onnx") or known.get(f"{stem}.pt")
    return entry.labels if entry else ()


def _of_user(path: Path) -> dict[str, Entry]:
    if not path.is_file():
        return {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DetectorError(f"{path} cannot be read: {error}") from None
    return {name: _entry(path, name, table) for name, table in tables.items()}


def _entry(path: Path, name: str, table: Any) -> Entry:
    where = f'{path}: ["{name}"]'
    if not isinstance(table, dict):
        raise DetectorError(
            f'{where} must be a table with a url, such as ["name.pt"] and url = "https://..."'
        )
    if not re.fullmatch(r"[A-Za-z0-9_][\w.+-]*\.(pt|onnx)", name):
        raise DetectorError(
            f"{where} must be the name of a file that ends in .pt or .onnx, in quotes"
        )
    if name in built_in():
        raise DetectorError(f"{where} is a built-in name; choose another")
    known = {"url", "sha256", "md5", "licence", "task", "size_bytes", "labels"}
    if unknown := sorted(set(table) - known):
        raise DetectorError(
            f"{where} has unknown keys {unknown}; known: {', '.join(sorted(known))}"
        )
    url = table.get("url", "")
    if not isinstance(url, str) or not is_allowed(url):
        raise DetectorError(f"{where} needs a url that begins with https://")
    for key, digits in (("sha256", 64), ("md5", 32)):
        if key in table and not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", str(table[key])):
            raise DetectorError(f"{where} {key} must be {digits} hexadecimal digits")
    if table.get("task", "detect") not in TASKS:
        raise DetectorError(
            f"{where} task must be one of {', '.join(TASKS)}, got {table['task']!r}"
        )
    labels = table.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(v, str) and v.strip() for v in labels):
        raise DetectorError(f"{where} labels must be a list of names, got {labels!r}")
    size_bytes = table.get("size_bytes")
    if size_bytes is not None and (type(size_bytes) is not int or size_bytes < 1):
        raise DetectorError(f"{where} size_bytes must be a whole number, got {size_bytes!r}")
    return Entry(
        name,
        url,
        table.get("task", "detect"),
        str(table.get("licence", "unknown")),
        size_bytes,
        str(table["sha256"]).lower() if "sha256" in table else None,
        str(table["md5"]).lower() if "md5" in table else None,
        tuple(labels),
    )


def is_allowed(url: str, *, loopback: bool = True) -> bool:
    """Whether weights may come from there: https, or (if `loopback`) http on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if not parts.hostname:
        return False
    return parts.scheme == "https" or (
        loopback and parts.scheme == "http" and parts.hostname in _LOOPBACK
    )
