"""Weights as files: where they lie, their names and their hashes."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.config import load_config
from lab.detectors.weights.loaded import FileState, state_of
from lab.errors import DetectorError, closest

DEFAULT_NAME = "yolo11n"
SUFFIXES = (".onnx", ".pt")
FACTS_FILE, PINS_FILE = ".facts.json", ".pinned.json"


def is_model(path: Path) -> bool:
    """Whether the name is that of a model (of a finished file, not of a part)."""
    if path.name.startswith("."):
        return False
    return is_openvino_folder(path) or (path.suffix in SUFFIXES and not path.is_dir())


def folder_entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name; nothing if it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; {} if there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write the value, whole or not at all. Raises OSError."""
    write_atomically(path, json.dumps(value, indent=1))


def models_folder() -> Path:
    """Where weights are kept: the setting `models`."""
    return load_config().models


def is_openvino_folder(path: Path) -> bool:
    """Whether it is a folder as OpenVINO exports are: named so, or with an .xml in it."""
    return path.is_dir() and (path.name.endswith("_openvino_model") or any(path.glob("*.xml")))


def weights_sha256(path: Path) -> str:
    """The hash of a weights file, computed once per state of the file.

    Of an OpenVINO folder: the hash of the names and hashes of its .xml, .bin and metadata.yaml.
    """
    if path.is_dir():
        files = sorted(
            p for p in path.iterdir() if p.suffix in (".xml", ".bin") or p.name == "metadata.yaml"
        )
        lines = "".join(f"{weights_sha256(file)}  {file.name}\n" for file in files)
        return hashlib.sha256(lines.encode()).hexdigest()
    return _sha256(str(path.absolute()), state_of(path))


@lru_cache(maxsize=64)
def _sha256(path: str, state: FileState | None) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def no_such_weights(name: str, known: list[str]) -> DetectorError:
    return DetectorError(f"no weights {name!r} in {models_folder()}; {closest(name, known)}")
