"""The models folder: what lies in it, where it came from, and whether it is still the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lab.detectors.weights.catalogue import USER_CATALOGUE
from lab.detectors.weights.fetch import compare_with_known
from lab.detectors.weights.files import (
    FACTS_FILE,
    PINS_FILE,
    folder_entries,
    is_model,
    models_folder,
    read_json,
    weights_sha256,
    write_json,
)
from lab.detectors.yolo.checkpoint import read_facts
from lab.detectors.yolo.export_facts import names_file
from lab.errors import DetectorError
from lab.extras import is_installed

_FACTS_VERSION = 1


@dataclass(frozen=True)
class ModelInfo:
    """One model of the folder.

    format: `checkpoint`, `onnx` or `openvino`. task, classes, image_size, licence: as the file
    says; None, (), None, `unknown` where it does not. problem: why it cannot be used; None if it can.
    detector: which detector takes it, `yolo`, `yolo-world` or `yoloe`.
    """

    name: str
    path: str
    format: str
    task: str | None
    classes: tuple[str, ...]
    image_size: int | None
    sha256: str | None
    size_bytes: int
    licence: str
    detector: str | None
    problem: str | None

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "classes": list(self.classes)}


def list_models() -> list[ModelInfo]:
    """Every model in the folder, by name; one that cannot be used says why. Runs no checkpoint.

    Facts are kept in the folder (`.facts.json`) and read again when a file changes.
    """
    folder = models_folder()
    paths = [p for p in folder_entries(folder) if is_model(p)]
    kept = read_json(folder / FACTS_FILE)
    facts = {p.name: _facts(p, kept.get(p.name)) for p in paths}
    if facts != kept:
        # It only saves time, so a folder that cannot be written is no reason to fail.
        with contextlib.suppress(OSError):
            write_json(folder / FACTS_FILE, facts)
    return [_unlike_known(_info(p, facts[p.name])) for p in paths]


def folder_fingerprint() -> str:
    """A hash that changes when a model comes, goes or changes, or what is known of one does.

    Reads names, sizes and times alone, so it is quick however large the files are.
    """
    folder = models_folder()
    states: list[list[Any]] = [[p.name, _state(p)] for p in folder_entries(folder) if is_model(p)]
    for name in (PINS_FILE, USER_CATALOGUE):
        with contextlib.suppress(OSError):
            states.append([name, (folder / name).stat().st_mtime_ns])
    return hashlib.sha256(json.dumps([str(folder), states]).encode()).hexdigest()


def unfinished() -> dict[str, int]:
    """Bytes that are here of downloads that did not end, by name."""
    parts = {p.stem: p for p in folder_entries(models_folder()) if p.suffix == ".part"}
    found = {}
    for name, part in parts.items():
        with contextlib.suppress(OSError):
            found[name] = part.stat().st_size
    return {name: size_bytes for name, size_bytes in found.items() if size_bytes}


def model_info(path: Path) -> ModelInfo:
    """The facts of one model, wherever it is."""
    return _info(path, _facts(path, None))


def _info(path: Path, facts: dict[str, Any]) -> ModelInfo:
    found = {k: v for k, v in facts.items() if k in ModelInfo.__dataclass_fields__}
    found["classes"] = tuple(found["classes"])
    return ModelInfo(name=path.name, path=str(path), **found)


def _unlike_known(info: ModelInfo) -> ModelInfo:
    """With a problem if it is another file than the one known by its name: detectors refuse it."""
    if info.problem or info.sha256 is None:
        return info
    try:
        compare_with_known(Path(info.path), info.sha256)
    except DetectorError as error:
        return replace(info, problem=" ".join(str(error).split()))
    return info


def _facts(path: Path, kept: Any) -> dict[str, Any]:
    state = _state(path)
    if isinstance(kept, dict) and kept.get("state") == state:
        return kept
    kind = "openvino" if path.is_dir() else "onnx" if path.suffix == ".onnx" else "checkpoint"
    facts: dict[str, Any] = {
        "state": state, "format": kind, "task": None, "classes": [], "image_size": None, "sha256": None,
        "size_bytes": sum(size for _, size, _ in state[1:]), "licence": "unknown", "detector": None, "problem": None,
    }  # fmt: skip
    try:
        facts["sha256"] = weights_sha256(path)
        facts |= _read(path, kind)
    except DetectorError as error:
        facts["problem"] = " ".join(str(error).split())
    except OSError as error:
        facts["problem"] = f"{path} cannot be read ({error.strerror})"
    return facts


def _state(path: Path) -> list[Any]:
    """What changes when the model does: its files' names, sizes and times."""

    files = folder_entries(path) if path.is_dir() else [path]
    # What could not be read for want of a package is read again once it is there.
    can_read = not path.is_dir() or is_installed("openvino")
    state: list[Any] = [_FACTS_VERSION if can_read else "unread"]
    for file in (*files, names_file(path)):
        with contextlib.suppress(OSError):
            stat = file.stat()
            state.append([file.name, stat.st_size, stat.st_mtime_ns])
    return state


def _read(path: Path, kind: str) -> dict[str, Any]:
    if kind == "checkpoint":
        from lab.detectors.yolo.torch_model import why_unfit

        facts = read_facts(path)
        other = {"World": "yolo-world", "YOLOE": "yoloe"}
        detector = next((d for part, d in other.items() if facts.network.startswith(part)), "yolo")
        return {
            "task": facts.task, "classes": list(facts.names), "image_size": facts.image_size,
            "licence": facts.licence, "detector": detector,
            "problem": why_unfit(path, facts) if detector == "yolo" else None,
        }  # fmt: skip
    from lab.detectors.yolo.exported_model import OnnxModel, read_openvino_folder

    exported = OnnxModel(path).facts if kind == "onnx" else read_openvino_folder(path)[1]
    return {
        "task": exported.task, "classes": list(exported.names), "image_size": exported.image_size,
        "licence": exported.licence, "detector": "yolo",
    }  # fmt: skip
